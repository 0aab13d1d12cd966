//! A service that checks uploaded repositories within bounded memory: `cargo run --example service
//! -- 127.0.0.1:8080`, then `curl --data-binary @samples/repo.car http://127.0.0.1:8080`.
//!
//! Each upload may take 8 MiB of memory; what is longer goes into a temporary file. A counter of
//! bytes bounds all uploads together: an upload waits until there is room for it.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use carwalk::store::SpillFile;
use carwalk::{BoundedLoader, ErrorClass, Limits, Loader};

const MAX_STORED: u64 = 4 << 30;

/// Bytes of memory for all uploads together.
const MEMORY: u64 = 256 << 20;

static LOADER: LazyLock<BoundedLoader> = LazyLock::new(|| {
    Loader::new().limits(Limits::new().max_stream_len(2 << 30)).memory_limit(8 << 20)
});

static BUDGET: Budget = Budget { free: Mutex::new(MEMORY), freed: Condvar::new() };

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    serve(&TcpListener::bind(address)?, usize::MAX);
    Ok(())
}

/// Answers so many uploads, each on its own thread.
pub(crate) fn serve(listener: &TcpListener, uploads: usize) {
    thread::scope(|scope| {
        for stream in listener.incoming().flatten().take(uploads) {
            scope.spawn(|| answer(stream));
        }
    });
}

/// Reads one request and answers it. If the client is gone, nobody needs the answer.
fn answer(mut stream: TcpStream) {
    let (status, body) = match check(&mut stream) {
        Ok(body) => ("200 OK", body),
        Err(error) => (status(&error), format!("{error}\n")),
    };
    let len = body.len();
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {len}\r\n\r\n{body}");
}

/// What the client did, what this service did, or nobody in particular.
fn status(error: &carwalk::Error) -> &'static str {
    match error.class() {
        ErrorClass::Invalid | ErrorClass::Truncated | ErrorClass::Missing => "400 Bad Request",
        ErrorClass::Limit => "413 Content Too Large",
        ErrorClass::Io => "408 Request Timeout",
        ErrorClass::Environment | ErrorClass::Caller | ErrorClass::Cancelled => {
            "500 Internal Server Error"
        }
    }
}

fn check(stream: &mut TcpStream) -> carwalk::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = BufReader::new(stream);
    let len = content_length(&mut request)?;
    let _reserved = BUDGET.reserve(LOADER.peak_memory());
    let loaded = LOADER.from_reader(request.take(len))?;
    let repo = loaded.or_spill(SpillFile::temporary().max_stored(MAX_STORED))?;
    Ok(format!("{repo}: {} records\n", repo.records().try_count()?))
}

/// Reads the head of a request and returns the length of its body.
fn content_length(request: &mut impl BufRead) -> io::Result<u64> {
    let mut head = request.take(16 << 10);
    let mut len = None;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                len = value.trim().parse().ok();
            }
            None if line.trim_end().is_empty() => {
                return len.ok_or_else(|| io::Error::other("a request without Content-Length"));
            }
            _ => {}
        }
    }
}

/// Bytes that uploads reserve before they are read.
struct Budget {
    free: Mutex<u64>,
    freed: Condvar,
}

/// Gives its bytes back when it is dropped.
struct Reserved(u64);

impl Budget {
    fn reserve(&self, bytes: u64) -> Reserved {
        let bytes = bytes.min(MEMORY);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_while(free, |free| *free < bytes);
        let mut free = waited.unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_sub(bytes);
        Reserved(bytes)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut free = BUDGET.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_add(self.0);
        BUDGET.freed.notify_all();
    }
}
