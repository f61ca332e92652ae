//! Exports in CSV, compressed with gzip or not. One thread decompresses and another one reads, where there are two.

mod split;

use std::io::{self, BufReader, ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use flate2::bufread::MultiGzDecoder;

pub(crate) use self::split::{Broken, Records};
use self::split::{Feed, Held, Span, fill};
use crate::charge::is_reservation;
use crate::convert::Wrong;
use crate::fault::{At, Fault, Problem};
use crate::layout::{Field, Layout, NoLayout, Place};
use crate::source::Source;
use crate::tags::{Owners, Tag};
use crate::tally::{BATCH, Lines, Tally, Words};

/// How much compressed text is read at a time.
const COMPRESSED: usize = 128 * 1024;

/// How much text goes from one thread to the other at a time, and how many such pieces there are at once.
const PIECE: usize = 1024 * 1024;
const PIECES: usize = 4;

/// Room before such a piece, for what is left of the one before: so nothing but that is copied.
const ROOM: usize = 16 * 1024;

/// Reads a file.
pub(crate) fn read(tally: &mut Tally<'_>, source: &dyn Source, gzip: bool, two_threads: bool) -> Result<(), Fault> {
    let name = source.name();
    let progress = tally.task.progress;
    let unreadable = |error: io::Error| At::file(name).fault(None, Problem::Unreadable(error.to_string()));
    let stream = Counted { stream: source.stream().map_err(unreadable)?, progress };
    if !gzip {
        return read_text(tally, name, stream);
    }
    let decoder = MultiGzDecoder::new(BufReader::with_capacity(COMPRESSED, stream));
    if !two_threads {
        return read_text(tally, name, decoder);
    }
    std::thread::scope(|scope| {
        let (full, pieces) = sync_channel(PIECES);
        let (back, empty) = channel();
        scope.spawn(move || decompress(decoder, &full, &empty));
        read_text(tally, name, Piped { pieces, back })
    })
}

/// A stream of which it is told how much was read.
struct Counted<'a, R> {
    stream: R,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        (self.progress)(read as u64);
        Ok(read)
    }
}

/// Text on its way from one thread to the other. An error ends it.
type Piece = io::Result<Vec<u8>>;

fn decompress(mut decoder: impl Read, full: &SyncSender<Piece>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut piece = empty.try_recv().unwrap_or_default();
        piece.resize(ROOM + PIECE, 0);
        let mut filled = ROOM;
        let result = loop {
            match fill(&mut decoder, piece.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => break Ok(filled == piece.len()),
                Ok(read) => filled += read,
                Err(error) => break Err(error),
            }
        };
        piece.truncate(filled);
        // Whoever reads is told of an error behind all text before it. If nobody reads any more, nobody asks.
        let gone = full.send(Ok(piece)).is_err();
        match result {
            Ok(more) if more && !gone => {}
            Ok(_) => return,
            Err(error) => return drop(full.send(Err(error))),
        }
    }
}

/// The text that another thread decompresses.
struct Piped {
    pieces: Receiver<Piece>,
    back: Sender<Vec<u8>>,
}

impl Feed for Piped {
    fn feed(&mut self, held: &mut Held) -> io::Result<bool> {
        let Ok(piece) = self.pieces.recv() else { return Ok(false) };
        let empty = held.take_in(piece?, ROOM);
        // The other thread may have ended already.
        let _ = self.back.send(empty);
        Ok(true)
    }
}

fn read_text(tally: &mut Tally<'_>, name: &str, text: impl Feed) -> Result<(), Fault> {
    let mut records = Records::new(text);
    let header = records.header().map_err(|broken| fault(name, records.line(), broken))?;
    let layout = Layout::of(&header, tally.task.question, &tally.task.tag).map_err(|none| {
        let at = At { line: Some(1), ..At::file(name) };
        match none {
            NoLayout::UnknownFormat(what) => at.fault(None, Problem::UnknownFormat(what)),
            NoLayout::MissingColumn(column) => at.fault(Some(&column), Problem::MissingColumn(column.clone())),
        }
    })?;
    let mut columns: Vec<&(Field, Place)> = layout.places().iter().collect();
    columns.sort_by_key(|(_, place)| place.index);
    let wanted: Vec<usize> = columns.iter().map(|(_, place)| place.index).collect();
    let mut spans: Vec<Span> = Vec::with_capacity(wanted.len());
    tally.lines.reset();
    loop {
        let more = records.next(&wanted, header.len(), &mut spans);
        if !more.map_err(|broken| fault(name, records.line(), broken))? {
            break;
        }
        tally.lines.at.push(records.line());
        for (&(field, place), span) in columns.iter().zip(&spans) {
            let text = records.field(*span);
            push(&mut tally.lines, &mut tally.words, &tally.task.tag, *field, &text).map_err(|wrong| {
                let at = At { line: Some(records.line()), ..At::file(name) };
                at.fault(Some(&place.name), Problem::Value(wrong.found, wrong.expected))
            })?;
        }
        if tally.lines.at.len() == BATCH {
            tally.count(&layout, At::file(name))?;
        }
    }
    tally.count(&layout, At::file(name))
}

/// Adds one field of a line to its column.
fn push(lines: &mut Lines, words: &mut Words, tag: &Tag, field: Field, text: &[u8]) -> Result<(), Wrong> {
    match field {
        Field::Account => lines.account.push(words.accounts.id(text)?),
        Field::Service => lines.service.push(words.services.id(text)?),
        Field::Owner => lines.owner.push(words.owners.id(text)?),
        Field::Tags => {
            let mut owners = Owners { tag, names: &mut words.owners, remembered: &mut words.remembered };
            lines.owner.push(owners.read(text)?);
        }
        Field::Unit => lines.unit.push(words.units.id(text)?),
        Field::Kind => lines.kind.push(words.kinds.id(text)?),
        Field::Class => lines.class.push(words.classes.id(text)?),
        Field::Currency => lines.currency.push(words.currencies.id(text)?),
        Field::Reservation => lines.reserved.push(is_reservation(text)),
        Field::Month => lines.month.push(words.months.read(text)?),
        Field::Start => lines.start.push(words.days.read(text)?),
        Field::End => lines.end.push(words.ends.read(text)?),
        Field::Cost => lines.cost.push_text(text)?,
        Field::CoveredCost => lines.covered_cost.push_text(text)?,
        Field::Commitment => lines.commitment.push_text(text)?,
        Field::UsedCommitment => lines.used_commitment.push_text(text)?,
        Field::ReservedCost => lines.reserved_cost.push_text(text)?,
        Field::UnusedUpfront => lines.unused_upfront.push_text(text)?,
        Field::UnusedRecurring => lines.unused_recurring.push_text(text)?,
        Field::Quantity => lines.quantity.push_text(text)?,
    }
    Ok(())
}

pub(crate) fn fault(name: &str, line: u64, broken: Broken) -> Fault {
    let problem = match broken {
        Broken::Read(error) => match error.kind() {
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                Problem::Damaged(error.to_string())
            }
            _ => Problem::Unreadable(error.to_string()),
        },
        Broken::Text(what) => Problem::Damaged(what.to_owned()),
        Broken::Fields { found, expected } => {
            Problem::Damaged(format!("a record has {found} fields where the header has {expected}"))
        }
    };
    At { line: (line > 0).then_some(line), ..At::file(name) }.fault(None, problem)
}
