//! Where deliveries of the cost export land.

use aws_sdk_s3::Client;
use jiff::Timestamp;
use lambda::aws::instant;
use lambda::{Aws, CallError, CallErrorKind};
use spend::Source;

use crate::object::{GET, Object, problem, unquoted};

/// A manifest, or a file that is an export by itself, as the bucket lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    /// Its key.
    pub key: String,
    /// What tells this content from others under the key.
    pub etag: String,
    /// When it was put there.
    pub modified: Timestamp,
    /// How large it is.
    pub bytes: u64,
}

/// The bucket of the cost export.
pub trait Exports {
    /// A file that can be read in ranges and as a stream, blocking: in a thread that may.
    type File: Source + 'static;

    /// Everything that landed whose key begins with the export's prefix and ends with one of these, the oldest first.
    fn landed(&self, suffixes: &[&str]) -> impl Future<Output = Result<Vec<Landed>, CallError>>;

    /// What lies under a key now, with the whole of it; none where nothing does.
    fn whole(&self, key: &str) -> impl Future<Output = Result<Option<(Landed, Vec<u8>)>, CallError>>;

    /// The file under a key now; none where nothing is. It stays the file that it was found as: when another one takes
    /// its place while it is read, reading fails.
    fn file(&self, key: &str) -> impl Future<Output = Result<Option<Self::File>, CallError>>;
}

/// The bucket in S3, of which what lies below one prefix is the export's.
#[derive(Clone, Debug)]
pub struct ExportBucket {
    client: Client,
    bucket: String,
    prefix: String,
}

const LIST: &str = "s3:ListBucket";

impl ExportBucket {
    /// The IAM actions that its use needs.
    pub const ACTIONS: &[&str] = &[LIST, GET];

    /// The export below this prefix of a bucket; below none, everything in the bucket is the export's.
    pub fn new(aws: &Aws, bucket: impl Into<String>, prefix: impl AsRef<str>) -> Self {
        let config = aws_sdk_s3::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        // As a folder: `exports` is not to list `exports-of-others` as well.
        let prefix = prefix.as_ref().trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { client: Client::from_conf(config), bucket: bucket.into(), prefix }
    }
}

impl Exports for ExportBucket {
    type File = Object;

    async fn landed(&self, suffixes: &[&str]) -> Result<Vec<Landed>, CallError> {
        let mut landed = Vec::new();
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| problem(LIST, &error))?;
            let files = page.contents.unwrap_or_default().into_iter();
            for file in files.filter(|file| suffixes.iter().any(|suffix| ends_with(file, suffix))) {
                landed.push(read(file)?);
            }
        }
        landed.sort_by(|one, other| (one.modified, &one.key).cmp(&(other.modified, &other.key)));
        Ok(landed)
    }

    async fn whole(&self, key: &str) -> Result<Option<(Landed, Vec<u8>)>, CallError> {
        let Some(file) = self.file(key).await? else { return Ok(None) };
        let landed =
            Landed { key: key.to_owned(), etag: file.etag().to_owned(), modified: file.modified(), bytes: file.len() };
        Ok(Some((landed, file.whole().await?.into())))
    }

    async fn file(&self, key: &str) -> Result<Option<Object>, CallError> {
        Object::find(&self.client, &self.bucket, key).await
    }
}

fn ends_with(file: &aws_sdk_s3::types::Object, suffix: &str) -> bool {
    file.key.as_deref().is_some_and(|key| key.ends_with(suffix))
}

fn read(file: aws_sdk_s3::types::Object) -> Result<Landed, CallError> {
    let key = file.key.unwrap_or_default();
    let bytes = file.size.and_then(|bytes| u64::try_from(bytes).ok());
    let (Some(etag), Some(modified), Some(bytes)) = (file.e_tag, file.last_modified.and_then(instant), bytes) else {
        let message = format!("`{key}` is listed without length, time or ETag");
        return Err(CallError { operation: LIST, kind: CallErrorKind::Invalid, message });
    };
    Ok(Landed { key, etag: unquoted(&etag).to_owned(), modified, bytes })
}

#[cfg(test)]
mod tests;
