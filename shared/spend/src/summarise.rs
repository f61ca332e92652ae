//! The way from files to sums: what they are, who reads which part of them, and what all have counted together.

use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::csv;
use crate::fault::{At, Fault, Problem};
use crate::parquet::{self, unreadable};
use crate::question::{Charges, Question};
use crate::source::Source;
use crate::summary::Summary;
use crate::tags::Tag;
use crate::tally::{Tally, Task};

/// Reads files of one or several exports and sums them up.
///
/// `threads` is how many work at a time; memory grows with it. `progress` is told, from any of them, of how many more
/// bytes of the files have been dealt with; columns that nobody needs count with their row group.
///
/// # Errors
/// With the first fault that is met. Nothing that was summed until then is of use.
pub fn summarise(
    files: &[&dyn Source],
    question: &Question,
    threads: NonZeroUsize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Summary, Fault> {
    let task = Task { question, tag: Tag::new(&question.owner_tag), currency: OnceLock::new(), progress };
    let (_, opened) = share(files, threads, || (), |(), source| Opened::of(*source, &task))?;
    let mut parts: Vec<Part<'_>> = opened.iter().flat_map(Opened::parts).collect();
    // What takes longest begins first, so that nobody is waited for at the end.
    parts.sort_by_key(|part| Reverse(part.bytes()));
    let spare = parts.len() < threads.get();
    let (tallies, _) = share(&parts, threads, || Tally::new(&task), |tally, part| part.read(tally, spare))?;
    let mut tallies = tallies.into_iter();
    let mut all = tallies.next().unwrap_or_else(|| Tally::new(&task));
    tallies.for_each(|tally| all.absorb(&tally));
    let net = matches!(question.charges, Charges::NetUnblended | Charges::NetAmortized);
    if net && all.total_lines > 0 && all.with_cost == 0 {
        return Err(no_net_costs(&opened));
    }
    all.into_summary(threads)
}

/// CUR 2.0 has columns of costs after discounts even where nobody has a discount, with nothing in them. To take that
/// for costs of nothing would be a budget that is never reached.
fn no_net_costs(opened: &[Opened<'_>]) -> Fault {
    let name = opened.first().map(|opened| opened.source().name()).unwrap_or_default();
    let problem = "of costs after discounts there is the column, and no line has a value in it";
    At::file(name).fault(None, Problem::MissingColumn(problem.to_owned()))
}

/// A file of which it is known what it is.
enum Opened<'a> {
    Csv { source: &'a dyn Source, gzip: bool },
    Parquet { source: &'a dyn Source, file: Box<parquet::File<'a>> },
}

/// A part of a file that one thread reads.
enum Part<'a> {
    Csv { source: &'a dyn Source, gzip: bool },
    RowGroup { source: &'a dyn Source, file: &'a parquet::File<'a>, row_group: usize },
}

impl<'a> Opened<'a> {
    fn of(source: &'a dyn Source, task: &Task<'_>) -> Result<Self, Fault> {
        let at = At::file(source.name());
        let unknown = |what: &str| Err(at.fault(None, Problem::UnknownFormat(what.to_owned())));
        if source.is_empty() {
            return unknown("it is empty");
        }
        let head = source.bytes(0..source.len().min(4)).map_err(|error| at.fault(None, unreadable(&error)))?;
        match &head[..] {
            b"PAR1" => {
                let file = unharmed(source, || parquet::File::open(source, task))?;
                Ok(Self::Parquet { source, file: Box::new(file) })
            }
            b"PARE" => unknown("it is encrypted by Parquet's own means"),
            b"PK\x03\x04" => unknown("it is a ZIP archive; let the report be compressed with gzip, or be Parquet"),
            [0x1f, 0x8b, ..] => Ok(Self::Csv { source, gzip: true }),
            _ => Ok(Self::Csv { source, gzip: false }),
        }
    }

    fn source(&self) -> &'a dyn Source {
        match self {
            Self::Csv { source, .. } | Self::Parquet { source, .. } => *source,
        }
    }

    fn parts(&self) -> Vec<Part<'_>> {
        match self {
            Self::Csv { source, gzip } => vec![Part::Csv { source: *source, gzip: *gzip }],
            Self::Parquet { source, file } => {
                (0..file.row_groups()).map(|row_group| Part::RowGroup { source: *source, file, row_group }).collect()
            }
        }
    }
}

impl Part<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Self::Csv { source, .. } => source.len(),
            Self::RowGroup { file, row_group, .. } => file.bytes(*row_group),
        }
    }

    fn read(&self, tally: &mut Tally<'_>, spare_thread: bool) -> Result<(), Fault> {
        match self {
            Self::Csv { source, gzip } => csv::read(tally, *source, *gzip, spare_thread),
            Self::RowGroup { source, file, row_group } => unharmed(*source, || file.read(*row_group, tally)),
        }
    }
}

/// Reads what may be damaged in ways that the Parquet library does not expect.
fn unharmed<T>(source: &dyn Source, read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let problem = "the Parquet library gave up on it";
        Err(At::file(source.name()).fault(None, Problem::Damaged(problem.to_owned())))
    })
}

/// Shares work among threads. Each begins with a state of its own and takes the next item when it is done with one.
/// Gives the states, and the results in the items' order; or of the faults that were met that of the first item.
pub(crate) fn share<'i, I: Sync, S: Send, T: Send>(
    items: &'i [I],
    threads: NonZeroUsize,
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &'i I) -> Result<T, Fault> + Sync,
) -> Result<(Vec<S>, Vec<T>), Fault> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || {
        let (mut state, mut results) = (begin(), Vec::new());
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(&mut state, item);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            results.push((index, result));
        }
        (state, results)
    };
    let (mut states, mut results) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get().min(items.len())).map(|_| scope.spawn(worker)).collect();
        let mine = worker();
        let others = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        for (state, done) in std::iter::once(mine).chain(others) {
            states.push(state);
            results.extend(done);
        }
    });
    results.sort_by_key(|(index, _)| *index);
    let results: Result<Vec<T>, Fault> = results.into_iter().map(|(_, result)| result).collect();
    Ok((states, results?))
}
