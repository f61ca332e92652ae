//! Buckets of an account and what lies in them.

use reqwest::Method;

use super::{Account, elements};
use crate::StageError;

impl Account {
    /// Makes a bucket; one that is there already is what is wanted.
    ///
    /// # Errors
    /// When there is none after this, because the name is another account's.
    pub fn create_bucket(&self, bucket: &str) -> Result<(), StageError> {
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
            self.region
        );
        match self.s3(Method::PUT, bucket, place.into_bytes()) {
            Err(StageError::Call { message, .. }) if message.contains("BucketAlreadyOwnedByYou") => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Lets a bucket tell EventBridge of its objects, or no longer, as when events are lost.
    ///
    /// # Errors
    /// When there is no such bucket.
    pub fn announce_objects(&self, bucket: &str, announced: bool) -> Result<(), StageError> {
        let events = if announced { "<EventBridgeConfiguration/>" } else { "" };
        let asked = format!("<NotificationConfiguration>{events}</NotificationConfiguration>");
        self.s3(Method::PUT, &format!("{bucket}?notification"), asked.into_bytes()).map(drop)
    }

    /// Puts an object into a bucket.
    ///
    /// # Errors
    /// When it is refused, as it is where there is no such bucket.
    pub fn put_object(&self, bucket: &str, key: &str, body: Vec<u8>) -> Result<(), StageError> {
        self.s3(Method::PUT, &format!("{bucket}/{key}"), body).map(drop)
    }

    /// Removes an object; one that is not there is what is wanted.
    ///
    /// # Errors
    /// When it is refused.
    pub fn delete_object(&self, bucket: &str, key: &str) -> Result<(), StageError> {
        self.s3(Method::DELETE, &format!("{bucket}/{key}"), Vec::new()).map(drop)
    }

    /// The keys of a bucket that begin so, a thousand at most.
    ///
    /// # Errors
    /// When there is no such bucket.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StageError> {
        let listed = self.s3(Method::GET, &format!("{bucket}?list-type=2&prefix={prefix}"), Vec::new())?;
        Ok(elements(&listed, "Key").into_iter().map(str::to_owned).collect())
    }

    /// The text of an object.
    ///
    /// # Errors
    /// When there is none under this key.
    pub fn object(&self, bucket: &str, key: &str) -> Result<String, StageError> {
        self.s3(Method::GET, &format!("{bucket}/{key}"), Vec::new())
    }

    fn s3(&self, method: Method, place: &str, body: Vec<u8>) -> Result<String, StageError> {
        let what = format!("s3: {method} {place}");
        let request = self.http.request(method, format!("{}/{place}", self.endpoint)).body(body);
        self.text(self.sign(request, "s3"), &what)
    }
}
