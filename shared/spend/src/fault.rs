//! Why an export cannot be read: always which file, and where in it.

use guardrail::money::Currency;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The column, where it is one's fault.
    pub column: Option<String>,
    /// The row group of a Parquet file, from 0.
    pub row_group: Option<usize>,
    /// The line of a CSV file, from 1, the header being the first.
    pub line: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file cannot be opened or read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// The file ends before it should, or what it holds is damaged.
    #[error("it is truncated or damaged: {0}")]
    Damaged(String),
    /// It is neither CSV nor Parquet, or none of the exports that are known by their columns.
    #[error("it is no cost export that is known: {0}")]
    UnknownFormat(String),
    /// A column that is needed is not there.
    #[error("the column is missing: {0}")]
    MissingColumn(String),
    /// A value is not what its column promises.
    #[error("`{0}` is not what the column should hold: expected {1}")]
    Value(String, &'static str),
    /// The lines are in more than one currency, which cannot be added.
    #[error("the currency is `{found}` where it was `{before}`; amounts of several currencies cannot be added")]
    Currencies {
        /// The currency of the lines before.
        before: Currency,
        /// The currency of this one.
        found: Currency,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, column, row_group, line, problem } = self;
        write!(f, "`{file}`")?;
        if let Some(column) = column {
            write!(f, ", column `{column}`")?;
        }
        if let Some(row_group) = row_group {
            write!(f, ", row group {row_group}")?;
        }
        if let Some(line) = line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {problem}")
    }
}

impl std::error::Error for Fault {}

/// A place in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) file: &'a str,
    pub(crate) row_group: Option<usize>,
    pub(crate) line: Option<u64>,
}

impl<'a> At<'a> {
    /// Somewhere in a file.
    pub(crate) fn file(file: &'a str) -> Self {
        Self { file, row_group: None, line: None }
    }

    /// A fault here.
    pub(crate) fn fault(&self, column: Option<&str>, problem: Problem) -> Fault {
        Fault {
            file: self.file.to_owned(),
            column: column.map(str::to_owned),
            row_group: self.row_group,
            line: self.line,
            problem,
        }
    }
}
