//! A service that checks uploaded repositories within bounded memory: `cargo run --example service
//! -- 127.0.0.1:8080`, then `curl --data-binary @samples/repo.car http://127.0.0.1:8080`.
//!
//! Each upload has a memory limit of 8 MiB; longer ones are spilled into a temporary file. A shared
//! budget bounds the memory of all uploads together: each waits until its peak memory is free and
//! reserves it, and is only then read.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use carwalk::store::{AnyStore, SpillFile};
use carwalk::{BoundedLoader, ErrorClass, Limits, Loader};

/// Memory of all uploads together, in bytes.
const MEMORY: u64 = 256 << 20;

static BUDGET: Budget = Budget { free: Mutex::new(MEMORY), freed: Condvar::new() };

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    serve(&TcpListener::bind(address)?, usize::MAX, &Service::new(8 << 20, 4 << 30));
    Ok(())
}

/// The settings for uploads.
pub(crate) struct Service {
    loader: BoundedLoader,
    max_stored: u64,
}

impl Service {
    /// Creates a service. Each upload may take about `memory_limit` bytes of memory, and store
    /// `max_stored` bytes in a temporary file.
    pub(crate) fn new(memory_limit: u64, max_stored: u64) -> Self {
        let limits = Limits::new().max_stream_len(2 << 30);
        Service { loader: Loader::new().limits(limits).memory_limit(memory_limit), max_stored }
    }
}

/// Answers `uploads` uploads, each on its own thread.
pub(crate) fn serve(listener: &TcpListener, uploads: usize, service: &Service) {
    thread::scope(|scope| {
        for stream in listener.incoming().flatten().take(uploads) {
            scope.spawn(|| answer(stream, service));
        }
    });
}

/// Reads one request and answers it. If the answer cannot be written, the client is gone, and the
/// error is ignored.
fn answer(mut stream: TcpStream, service: &Service) {
    let (status, body) = match check(&mut stream, service) {
        Ok(body) => ("200 OK", body),
        Err(error) => (status(&error), format!("{error}\n")),
    };
    let len = body.len();
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {len}\r\n\r\n{body}");
}

/// Returns the HTTP status for an error: 4xx if the upload is at fault, 500 if the service is.
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

fn check(stream: &mut TcpStream, service: &Service) -> carwalk::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = BufReader::new(stream);
    let len = content_length(&mut request)?;
    let _reserved = BUDGET.reserve(service.loader.peak_memory());
    let loaded = service.loader.from_reader(request.take(len))?;
    let repo = loaded.or_spill(SpillFile::temporary().max_stored(service.max_stored))?;
    let place = match repo.store() {
        AnyStore::File(_) => "on disk",
        _ => "in memory",
    };
    Ok(format!("{repo}: {} records, read {place}\n", repo.records().try_count()?))
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

/// Memory that uploads can reserve, in bytes.
struct Budget {
    free: Mutex<u64>,
    freed: Condvar,
}

/// Reserved bytes, which are released on drop.
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
