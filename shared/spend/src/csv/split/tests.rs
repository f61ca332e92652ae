//! Records of any texts, in pieces of any size, whichever fields are wanted.

use std::io::{Cursor, Read};

use proptest::prelude::*;

use super::{Feed, Held, Records, Span};

/// Text that comes in pieces, with some room before each.
struct Pieces {
    rest: Vec<u8>,
    size: usize,
    room: usize,
}

impl Feed for Pieces {
    fn feed(&mut self, held: &mut Held) -> std::io::Result<bool> {
        let size = self.size.min(self.rest.len());
        let piece = [vec![b'#'; self.room], self.rest.drain(..size).collect()].concat();
        held.take_in(piece, self.room);
        Ok(size > 0)
    }
}

/// A stream that gives little at a time.
struct Little<R>(R, usize);

impl<R: Read> Read for Little<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

/// What was read of a text: its header, the wanted fields of its records, and the lines that these begin on.
#[derive(Default)]
struct Text {
    header: Vec<String>,
    records: Vec<Vec<String>>,
    lines: Vec<u64>,
}

fn read(feed: impl Feed, wanted: &[usize]) -> Text {
    let mut records = Records::new(feed);
    let mut text = Text { header: records.header().unwrap(), ..Text::default() };
    let mut spans = Vec::new();
    while records.next(wanted, text.header.len(), &mut spans).unwrap() {
        let field = |span: &Span| String::from_utf8(records.field(*span).into_owned()).unwrap();
        text.records.push(spans.iter().map(field).collect());
        text.lines.push(records.line());
    }
    text
}

fn quoted(field: &str, always: bool) -> String {
    if always || field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn fields_come_out_as_they_went_in(
        lines in prop::collection::vec(prop::collection::vec("[a-z\",\n\r é]{0,6}", 4), 1..8),
        always: bool,
        crlf: bool,
        wanted in prop::sample::subsequence(vec![0_usize, 1, 2, 3], 0..=4),
        size in 1_usize..40,
        room in 0_usize..40,
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let record = |line: &[String]| {
            let fields: Vec<_> = line.iter().map(|field| quoted(field, always)).collect();
            fields.join(",") + end
        };
        let text = format!("a,b,c,d{end}{}", lines.iter().map(|line| record(line)).collect::<String>());
        let expected: Vec<Vec<String>> =
            lines.iter().map(|line| wanted.iter().map(|index| line[*index].clone()).collect()).collect();
        let mut next = 2;
        let at: Vec<u64> = lines.iter().map(|line| {
            let begins = next;
            next += 1 + line.concat().matches('\n').count() as u64;
            begins
        }).collect();
        let pieces = Pieces { rest: text.clone().into_bytes(), size, room };
        let of_pieces = read(pieces, &wanted);
        prop_assert_eq!(of_pieces.header, ["a", "b", "c", "d"]);
        prop_assert_eq!(&of_pieces.records, &expected);
        prop_assert_eq!(of_pieces.lines, at);
        prop_assert_eq!(read(Little(Cursor::new(text), size), &wanted).records, expected);
    }
}

#[test]
fn an_empty_text_has_no_header() {
    let text = read(Cursor::new(""), &[]);
    assert!(text.header.is_empty() && text.records.is_empty());
}
