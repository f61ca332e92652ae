//! What cost exports say was spent: CUR 2.0, legacy CUR and FOCUS, read in a stream and summed exactly.
//!
//! Pure but for reading: whoever calls brings the files as a [`Source`], from a disk or from S3. [`summarise()`] reads
//! the columns that a [`Question`] needs, once, in bounded memory, and answers with a [`Summary`]. `README.md` beside
//! this crate says for operators what counts as spent.

mod charge;
mod convert;
mod csv;
pub mod fault;
mod float;
mod groups;
mod layout;
pub mod manifest;
mod number;
mod parquet;
pub mod question;
pub mod source;
pub mod sql;
mod summarise;
pub mod summary;
mod tags;
mod tally;
mod whole;

pub use fault::{Fault, Problem};
pub use manifest::Manifest;
pub use question::{Category, Charges, Dimensions, Question};
pub use source::{FileSource, Source};
pub use summarise::summarise;
pub use summary::{Key, Summary, Usage, UsageKey};
