//! A file in S3, read in ranges from threads that may block: how the reader of cost exports gets its bytes.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use jiff::Timestamp;
use lambda::aws::instant;
use lambda::{CallError, CallErrorKind};
use spend::Source;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The IAM action that looking at a file and reading it needs.
pub(crate) const GET: &str = "s3:GetObject";

/// How much of a file a stream asks for at a time. It holds two such parts: one that is read, and the next.
const PART: u64 = 8 << 20;

/// How often a range is asked for whose bytes stop coming, with a pause that doubles from the first. Refused and lost
/// requests are tried again by the SDK; what breaks off after an answer has begun is not.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A file as it was found. When another one takes its place while it is read, reading fails.
///
/// Reading blocks, and the runtime's own thread must be left to drive the connections meanwhile: it is for threads such
/// as those of [`tokio::task::spawn_blocking`].
#[derive(Clone, Debug)]
pub struct Object {
    found: Arc<Found>,
    runtime: Handle,
}

#[derive(Debug)]
struct Found {
    client: Client,
    bucket: String,
    key: String,
    name: String,
    etag: String,
    modified: Timestamp,
    len: u64,
}

impl Object {
    /// The file under this key; none where nothing is. To be called within the runtime that drives the reading.
    pub(crate) async fn find(client: &Client, bucket: &str, key: &str) -> Result<Option<Self>, CallError> {
        let head = match client.head_object().bucket(bucket).key(key).send().await {
            Ok(head) => head,
            Err(error) => {
                let problem = problem(GET, &error);
                return if problem.kind == CallErrorKind::Missing { Ok(None) } else { Err(problem) };
            }
        };
        let len = head.content_length.and_then(|len| u64::try_from(len).ok());
        let modified = head.last_modified.and_then(instant);
        let (Some(etag), Some(len), Some(modified)) = (head.e_tag, len, modified) else {
            let message = format!("`{key}` has no length, no time or no ETag");
            return Err(CallError { operation: GET, kind: CallErrorKind::Invalid, message });
        };
        let found = Found {
            client: client.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            name: format!("s3://{bucket}/{key}"),
            etag,
            modified,
            len,
        };
        Ok(Some(Self { found: Arc::new(found), runtime: Handle::current() }))
    }

    /// What tells this content from others under the key, without quotes.
    pub fn etag(&self) -> &str {
        unquoted(&self.found.etag)
    }

    /// When it was put there.
    pub fn modified(&self) -> Timestamp {
        self.found.modified
    }

    /// The whole of it.
    pub(crate) async fn whole(&self) -> Result<Bytes, CallError> {
        self.found.read(0..self.found.len).await
    }
}

/// An ETag without its quotes, as events of S3 have it.
pub(crate) fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}

impl Source for Object {
    fn name(&self) -> &str {
        &self.found.name
    }

    fn len(&self) -> u64 {
        self.found.len
    }

    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.runtime.block_on(self.found.read(range)).map_err(io::Error::other)
    }

    fn stream(&self) -> io::Result<Box<dyn io::Read + Send + '_>> {
        let mut stream = Stream { object: self, part: Bytes::new(), ahead: None, asked_until: 0 };
        stream.ask_ahead();
        Ok(Box::new(stream))
    }
}

/// Reads a file from its beginning to its end, in parts of which the next is always under way.
struct Stream<'a> {
    object: &'a Object,
    part: Bytes,
    ahead: Option<JoinHandle<Result<Bytes, CallError>>>,
    asked_until: u64,
}

impl Stream<'_> {
    fn ask_ahead(&mut self) {
        let part = self.asked_until..self.asked_until.saturating_add(PART).min(self.object.found.len);
        self.asked_until = part.end;
        let found = Arc::clone(&self.object.found);
        let ahead = (!part.is_empty()).then(|| self.object.runtime.spawn(async move { found.read(part).await }));
        self.ahead = ahead;
    }
}

impl io::Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty()
            && let Some(ahead) = self.ahead.take()
        {
            let read = self.object.runtime.block_on(ahead).map_err(io::Error::other)?;
            self.part = read.map_err(io::Error::other)?;
            self.ask_ahead();
        }
        let read = buffer.len().min(self.part.len());
        let part = self.part.split_to(read);
        if let Some(filled) = buffer.get_mut(..read) {
            filled.copy_from_slice(&part);
        }
        Ok(read)
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        if let Some(ahead) = &self.ahead {
            ahead.abort();
        }
    }
}

impl fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("name", &self.object.found.name).finish_non_exhaustive()
    }
}

impl Found {
    /// These bytes of the file.
    async fn read(&self, range: Range<u64>) -> Result<Bytes, CallError> {
        let Some(last) = range.end.checked_sub(1).filter(|last| range.start <= *last) else {
            return Ok(Bytes::new());
        };
        if range.end > self.len {
            let message = format!("bytes {}-{last} were asked for of a file of {}", range.start, self.len);
            return Err(CallError { operation: GET, kind: CallErrorKind::Invalid, message });
        }
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let get = self.client.get_object().bucket(&self.bucket).key(&self.key);
            let get = get.range(format!("bytes={}-{last}", range.start)).if_match(&self.etag);
            let answer = get.send().await.map_err(|error| match status_of(&error) {
                Some(404 | 412) => self.replaced(),
                _ => problem(GET, &error),
            })?;
            match collect(answer.body, wanted).await {
                Ok(bytes) if bytes.len() == wanted => return Ok(bytes),
                Ok(_) => break,
                Err(error) if attempt == ATTEMPTS => {
                    let message = format!("the answer breaks off: {error}");
                    return Err(CallError { operation: GET, kind: CallErrorKind::Unavailable, message });
                }
                Err(error) => {
                    tracing::warn!(s3.key = self.key, attempt, %error, "answer of S3 broke off and is asked for again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        Err(self.replaced())
    }

    fn replaced(&self) -> CallError {
        let message = "the file was replaced or deleted while it was read".to_owned();
        CallError { operation: GET, kind: CallErrorKind::Missing, message }
    }
}

async fn collect(mut body: ByteStream, wanted: usize) -> Result<Bytes, aws_sdk_s3::primitives::ByteStreamError> {
    let mut bytes = Vec::with_capacity(wanted);
    while let Some(more) = body.try_next().await? {
        bytes.extend_from_slice(&more);
    }
    Ok(bytes.into())
}

fn status_of<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Sorts an error of S3 into our kinds. S3 has codes of its own for what other services say alike, and to questions
/// about a file's head it answers with a status and nothing else.
pub(crate) fn problem<E>(operation: &'static str, error: &SdkError<E>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let mut problem = CallError::of(operation, error);
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    match status_of(error) {
        // The bucket is in another Region, which no trying again changes.
        Some(301) => problem.kind = CallErrorKind::Invalid,
        Some(403) => problem.kind = CallErrorKind::Denied,
        Some(404) => problem.kind = CallErrorKind::Missing,
        Some(503) if code == Some("SlowDown") => problem.kind = CallErrorKind::Throttled,
        _ => {}
    }
    if let (Some(status), None) = (status_of(error), code) {
        problem.message = format!("S3 answered with status {status}");
    }
    problem
}

#[cfg(test)]
pub(crate) mod tests;
