//! Where the bytes of a file come from. Reading blocks: a function that gets them over the network reads in a thread of
//! its own.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// A file of an export.
pub trait Source: Send + Sync {
    /// The name that people know the file by, for messages.
    fn name(&self) -> &str;

    /// How many bytes it has.
    fn len(&self) -> u64;

    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These bytes of it, all of them.
    ///
    /// # Errors
    /// When they cannot be read, or the file ends before.
    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes>;

    /// The whole of it, from the beginning.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn stream(&self) -> io::Result<Box<dyn Read + Send + '_>>;
}

/// A file on a disk.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    name: String,
    len: u64,
    file: File,
    spare: Spare,
}

/// Memory that bytes were held in, to be used again: memory that is new must be cleared first, which takes as long as
/// reading into it.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

/// Bytes of a file, whose memory is handed back in the end.
struct Lent {
    bytes: Vec<u8>,
    length: usize,
    spare: Spare,
}

impl Lent {
    /// Memory for so many bytes: the smallest that is spare and large enough, or else the largest made larger, so that
    /// there never is more of it than was needed at one time.
    fn of(spare: &Spare, length: usize) -> Self {
        let mut pieces = spare.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.sort_unstable_by_key(Vec::len);
        let fits = pieces.partition_point(|piece| piece.len() < length);
        let mut bytes = if fits < pieces.len() { pieces.remove(fits) } else { pieces.pop().unwrap_or_default() };
        drop(pieces);
        if bytes.len() < length {
            // Row groups differ by little, and the next should fit as well.
            bytes.resize(length + length / 8, 0);
        }
        Self { bytes, length, spare: Arc::clone(spare) }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

impl FileSource {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let name = path.display().to_string();
        Ok(Self { path: path.to_owned(), name, len, file, spare: Spare::default() })
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        use std::os::unix::fs::FileExt;
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut lent = Lent::of(&self.spare, length);
        self.file.read_exact_at(lent.bytes.get_mut(..length).unwrap_or_default(), range.start)?;
        Ok(Bytes::from_owner(lent))
    }

    fn stream(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(BufReader::with_capacity(1 << 18, File::open(&self.path)?)))
    }
}
