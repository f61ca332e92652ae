//! What a subcommand gives back, how it looks, and how it reaches the terminal.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::styling::Style;
use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};
use jiff::civil::Date;
use serde::Serialize;
use serde_json::error::Category;
use window::{Fault, Faults};

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Good = 0,
    /// The question was answered, and something is bad.
    Bad = 1,
    /// The question could not be answered. Usage errors, which clap reports, end with the same code.
    Failed = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The input is missing, not readable, a folder.
    #[error("cannot read {input}: {source}")]
    Read { input: Input, source: io::Error },
    /// The input is not JSON.
    #[error("{input}, line {line}, column {column}: not JSON: {problem}")]
    Syntax { input: Input, line: usize, column: usize, problem: String },
    /// The input is JSON of another shape.
    #[error("{input}, line {line}, column {column}: {problem}")]
    Shape { input: Input, line: usize, column: usize, problem: String },
    /// The input is a window document with faults, so there is no window to speak of.
    #[error("{input} is no valid window document: {}", if .faults.0.len() == 1 { "it has a fault".to_owned() } else { format!("it has {} faults", .faults.0.len()) })]
    Document { input: Input, faults: Faults },
    /// The time asked about ends before it begins.
    #[error("`--to {to}` is before `--from {from}`")]
    Reversed { from: Date, to: Date },
    /// A file of a cost export that is given twice, and would count twice.
    #[error("`{}` is given twice, and would count twice", .file.display())]
    Twice { file: PathBuf },
    /// A folder without a cost export.
    #[error("`{}` holds no file that ends with `.parquet`, `.csv.gz` or `.csv`", .folder.display())]
    NoExport { folder: PathBuf },
    /// A folder of which one cannot say that it holds no month twice.
    #[error(
        "`{}` may hold several deliveries of one month, each of which restates the whole month: {}; name the one that \
         counts", .folder.display(), listed(.places)
    )]
    Deliveries { folder: PathBuf, places: Vec<PathBuf> },
    /// The input is no query's answer about one sandbox.
    #[error("{input} does not explain a lock: {problem}")]
    Rows { input: Input, problem: String },
    /// A cost export that cannot be read to its end.
    #[error(transparent)]
    Export(#[from] spend::Fault),
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Write(io::Error),
}

impl Failure {
    /// The input is not the JSON that it should be.
    pub(crate) fn json(input: &Input, error: &serde_json::Error) -> Self {
        let (input, line, column) = (input.clone(), error.line().max(1), error.column().max(1));
        let position = format!(" at line {} column {}", error.line(), error.column());
        let problem = error.to_string().replace(&position, "");
        match error.classify() {
            Category::Data => Self::Shape { input, line, column, problem },
            Category::Syntax | Category::Eof | Category::Io => Self::Syntax { input, line, column, problem },
        }
    }

    /// What is to be read below the failure, a line each.
    pub(crate) fn details(&self) -> Vec<String> {
        match self {
            Self::Document { faults, .. } => faults.0.iter().map(Fault::to_string).collect(),
            Self::Read { .. }
            | Self::Syntax { .. }
            | Self::Shape { .. }
            | Self::Reversed { .. }
            | Self::Twice { .. }
            | Self::NoExport { .. }
            | Self::Deliveries { .. }
            | Self::Rows { .. }
            | Self::Export(_)
            | Self::Write(_) => Vec::new(),
        }
    }
}

/// Names the first three, and says how many more there are.
fn listed(paths: &[PathBuf]) -> String {
    let named: Vec<_> = paths.iter().take(3).map(|path| format!("`{}`", path.display())).collect();
    let more = match paths.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match named.as_slice() {
        [others @ .., last] if more.is_empty() && !others.is_empty() => format!("{} and {last}", others.join(", ")),
        named => named.join(", ") + &more,
    }
}

/// Where a document is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// `-`
    Stdin,
    /// A path.
    File(PathBuf),
}

impl From<std::ffi::OsString> for Input {
    fn from(argument: std::ffi::OsString) -> Self {
        if argument == "-" { Self::Stdin } else { Self::File(argument.into()) }
    }
}

/// As a sentence names it.
impl Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => write!(f, "`{}`", path.display()),
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Input {
    /// Everything in it, without the byte order mark that Windows tools put in front of UTF-8.
    pub(crate) fn read(&self, mut stdin: impl io::Read) -> Result<Vec<u8>, Failure> {
        let bytes = match self {
            Self::Stdin => {
                let mut bytes = Vec::new();
                stdin.read_to_end(&mut bytes).map(|_| bytes)
            }
            Self::File(path) => std::fs::read(path),
        };
        let mut bytes = bytes.map_err(|source| Failure::Read { input: self.clone(), source })?;
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(bytes)
    }
}

/// The answer to one question: its text, what is said beside it, and what it means for the exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What is printed, with its last line break.
    pub(crate) text: String,
    /// What the reader should know and a script should not have to read, a line each; it goes to standard error.
    pub(crate) notes: Vec<String>,
    /// How the command ends.
    pub(crate) exit: Exit,
}

impl Answer {
    /// An answer with nothing beside it.
    pub(crate) fn new(text: String, exit: Exit) -> Self {
        Self { text, notes: Vec::new(), exit }
    }

    /// An answer for machines.
    pub(crate) fn json(value: &impl Serialize, exit: Exit) -> Self {
        // Only maps with keys that are not text cannot be JSON, and no answer holds one.
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        Self::new(text + "\n", exit)
    }

    /// Writes the text and gives the exit code. A reader that has seen enough, such as `head`, is no failure, and
    /// does not change the verdict.
    pub(crate) fn write(self, mut out: impl Write) -> Result<ExitCode, Failure> {
        match out.write_all(self.text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Write(error)),
            Ok(()) | Err(_) => Ok(self.exit.into()),
        }
    }
}

/// How answers for people look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Whether there are colours.
    pub(crate) colour: bool,
    /// Where lines wrap; `None` keeps every row on one line, for `grep`.
    pub(crate) width: Option<u16>,
}

impl Look {
    /// The text in this style, or plain.
    pub(crate) fn paint(self, style: Style, text: impl Display) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    /// An empty table without borders that wraps and is coloured accordingly.
    pub(crate) fn table(self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).force_no_tty();
        if let Some(width) = self.width {
            table.set_width(width);
        }
        if self.colour {
            table.enforce_styling();
        }
        table
    }
}

/// A cell that explains another: headings and labels.
pub(crate) fn label(text: &str) -> Cell {
    Cell::new(text).add_attribute(Attribute::Dim)
}

/// Gives every column this padding, left and right, and room for its longest word: ids and settings are there to be
/// copied, so lines wrap between words only.
pub(crate) fn pad(table: &mut Table, (left, right): (u16, u16)) {
    let longest_word = |cell: &Cell| cell.content().split(' ').map(|word| word.chars().count()).max();
    let columns = 0..table.column_count();
    let longest: Vec<_> = columns
        .map(|index| table.column_cells_with_header_iter(index).flatten().filter_map(longest_word).max())
        .collect();
    for (column, longest) in table.column_iter_mut().zip(longest) {
        let room = u16::try_from(longest.unwrap_or_default()).unwrap_or(u16::MAX).saturating_add(left + right);
        column.set_padding((left, right)).set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(room)));
    }
}

/// The lines of a table without the blanks that fill its last column.
pub(crate) fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The text with everything escaped that would move the cursor, change colours or reorder letters: what stands in a
/// file is shown, not obeyed by the terminal.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

/// The word that events and JSON use for a value, such as `elapsed_time`, in the form that people read.
pub(crate) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses every byte for one reason.
    struct Refuses(ErrorKind);

    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answer(exit: Exit) -> Answer {
        Answer::new("line\n".to_owned(), exit)
    }

    #[test]
    fn an_answer_is_written_whole() {
        let mut out = Vec::new();
        assert_eq!(answer(Exit::Bad).write(&mut out).unwrap(), ExitCode::from(1));
        assert_eq!(out, b"line\n");
    }

    #[test]
    fn a_closed_pipe_keeps_the_verdict() {
        for exit in [Exit::Good, Exit::Bad] {
            assert_eq!(answer(exit).write(Refuses(ErrorKind::BrokenPipe)).unwrap(), exit.into());
        }
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let failure = answer(Exit::Good).write(Refuses(ErrorKind::StorageFull)).unwrap_err();
        assert_eq!(failure.to_string(), "cannot write the answer: no storage space");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(printable("30m"), "30m");
        assert_eq!(printable(r#"{"owner":"José \\"}"#), r#"{"owner":"José \\"}"#);
        assert_eq!(printable("a\u{1b}[2Jb\n\u{202e}c"), r"a\u{1b}[2Jb\n\u{202e}c");
    }
}
