//! Reading from threads that block, over real connections to a small server that stands in for S3: ranges, streams that
//! read ahead, answers that break off, files that are replaced.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};

use super::*;

/// A bucket with one file, behind a port of this machine.
struct Bucket {
    address: String,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    content: Mutex<(String, Vec<u8>)>,
    /// How many of the next answers break off in the middle.
    torn: AtomicU32,
    /// How many answers with content were begun.
    answers: AtomicU32,
}

impl Bucket {
    fn with(content: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let content = Mutex::new(("\"1\"".to_owned(), content));
        let state = Arc::new(State { content, torn: AtomicU32::new(0), answers: AtomicU32::new(0) });
        let serving = Arc::clone(&state);
        // It serves until the process ends.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                std::thread::spawn(move || while serve(&connection, &state).is_ok() {});
            }
        });
        Self { address, state }
    }

    fn replace(&self, content: &[u8]) {
        let replaced = ("\"2\"".to_owned(), content.to_vec());
        *self.state.content.lock().unwrap_or_else(PoisonError::into_inner) = replaced;
    }

    fn client(&self) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "tests"))
            .endpoint_url(&self.address)
            .build();
        Client::from_conf(config)
    }

    /// Finds the file on a runtime of one thread, as a function has it, and does this in a thread that may block.
    fn read<T: Send + 'static>(&self, read: impl FnOnce(&Object) -> T + Send + 'static) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let object = Object::find(&self.client(), "exports", "november.parquet").await.unwrap().unwrap();
            tokio::task::spawn_blocking(move || read(&object)).await.unwrap()
        })
    }
}

/// Answers one request. An error ends the connection.
fn serve(mut connection: &TcpStream, state: &State) -> io::Result<()> {
    let mut request = Vec::new();
    let mut reader = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim().is_empty() {
            break;
        }
        request.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let found =
            request.iter().find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let (etag, content) = state.content.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut answer = |status: &str, length: usize, body: &[u8]| {
        let modified = "Last-Modified: Fri, 20 Nov 2026 09:30:00 GMT";
        write!(connection, "HTTP/1.1 {status}\r\nETag: {etag}\r\n{modified}\r\nContent-Length: {length}\r\n\r\n")?;
        connection.write_all(body)
    };
    if request[0].starts_with("HEAD") {
        return answer("200 OK", content.len(), b"");
    }
    if header("if-match").is_some_and(|wanted| wanted != etag) {
        return answer("412 Precondition Failed", 0, b"");
    }
    let range = header("range").unwrap();
    let (from, last) = range.trim_start_matches("bytes=").split_once('-').unwrap();
    let body = &content[from.parse().unwrap()..=last.parse().unwrap()];
    state.answers.fetch_add(1, Ordering::Relaxed);
    let torn = state.torn.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |torn| torn.checked_sub(1));
    if torn.is_ok() {
        answer("206 Partial Content", body.len(), &body[..body.len() / 2])?;
        connection.shutdown(std::net::Shutdown::Both)?;
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    answer("206 Partial Content", body.len(), body)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[test]
fn ranges_are_read_exactly() {
    let bucket = Bucket::with(content(1000));
    let (name, len, etag) = bucket.read(|file| (file.name().to_owned(), file.len(), file.etag().to_owned()));
    assert_eq!((name.as_str(), len, etag.as_str()), ("s3://exports/november.parquet", 1000, "1"));
    for range in [0..1000, 0..1, 999..1000, 250..260, 7..7] {
        let (from, to) = (range.start as usize, range.end as usize);
        let read = bucket.read(move |file| file.bytes(range));
        assert_eq!(read.unwrap(), content(1000)[from..to], "{from}..{to}");
    }
    let past = bucket.read(|file| file.bytes(990..1001)).unwrap_err();
    assert!(past.to_string().contains("bytes 990-1000 were asked for of a file of 1000"), "{past}");
}

#[test]
fn a_stream_gives_the_whole_file_part_by_part() {
    let part = PART as usize;
    for (length, parts) in [(0, 0), (10, 1), (part, 1), (part + 1, 2), (2 * part + 7, 3)] {
        let bucket = Bucket::with(content(length));
        let read = bucket.read(|file| {
            let mut read = Vec::new();
            file.stream().and_then(|mut stream| stream.read_to_end(&mut read)).map(|_| read)
        });
        assert!(read.unwrap() == content(length), "{length}");
        assert_eq!(bucket.state.answers.load(Ordering::Relaxed), parts, "{length}");
    }
}

#[test]
fn a_stream_that_is_left_asks_for_no_more_than_the_next_part() {
    let bucket = Bucket::with(content(4 * PART as usize));
    bucket.read(|file| {
        let mut some = [0; 10];
        file.stream().unwrap().read_exact(&mut some).unwrap();
    });
    assert!(bucket.state.answers.load(Ordering::Relaxed) <= 2);
}

#[test]
fn several_threads_may_read_at_once() {
    let bucket = Bucket::with(content(10_000));
    let read = bucket.read(|file| {
        std::thread::scope(|scope| {
            let reading = |part: u64| scope.spawn(move || file.bytes(part * 1000..(part + 1) * 1000).unwrap());
            let parts: Vec<_> = (0..10).map(reading).collect();
            parts.into_iter().flat_map(|part| part.join().unwrap()).collect::<Vec<u8>>()
        })
    });
    assert_eq!(read, content(10_000));
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again_and_not_for_ever() {
    for (torn, whole) in [(1, true), (ATTEMPTS, false)] {
        let bucket = Bucket::with(content(100_000));
        bucket.state.torn.store(torn, Ordering::Relaxed);
        let read = bucket.read(|file| file.bytes(0..100_000));
        match read {
            Ok(read) => assert!(whole && read == content(100_000), "{torn}"),
            Err(error) => assert!(!whole && error.to_string().contains("the answer breaks off"), "{torn}: {error}"),
        }
    }
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_an_error() {
    let bucket = Arc::new(Bucket::with(content(3 * PART as usize)));
    let replacing = Arc::clone(&bucket);
    let (bytes, stream) = bucket.read(move |file| {
        let mut stream = file.stream().unwrap();
        let mut first = vec![0; PART as usize];
        stream.read_exact(&mut first).unwrap();
        replacing.replace(b"another");
        (file.bytes(0..10), stream.read_to_end(&mut Vec::new()))
    });
    let expected = "`s3:GetObject` failed (Missing): the file was replaced or deleted while it was read";
    assert_eq!(bytes.unwrap_err().to_string(), expected);
    assert_eq!(stream.unwrap_err().to_string(), expected);
}
