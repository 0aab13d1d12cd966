//! Readers that break the contract of `Read`, or come and go: an error or the right records, and
//! never a panic.

use crate::common;
use std::io::{self, Read};

use carwalk::{Repo, peek_commit};
use carwalk_testkit::breakage;
use carwalk_testkit::repo::Order;

/// Claims to have read more than it was asked for.
struct Boasting<'a> {
    bytes: &'a [u8],
    by: usize,
}

impl Read for Boasting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.bytes.read(buffer)?.saturating_add(self.by))
    }
}

#[test]
fn a_reader_that_claims_too_much_is_no_panic() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    for by in [1, 100, 1 << 20, usize::MAX] {
        // Such a stream never ends, so the limit on its length must end it.
        let loader =
            || carwalk::Loader::new().limits(carwalk::Limits::default().max_stream_len(1 << 22));
        assert!(loader().read(Boasting { bytes: &car, by }).is_err());
        let _ = loader().peek_commit(Boasting { bytes: &car, by });
    }
}

/// Says that it is at its end, and then goes on.
struct Resuming<'a> {
    pieces: Vec<&'a [u8]>,
}

impl Read for Resuming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.pieces.last_mut() else { return Ok(0) };
        match piece.read(buffer)? {
            0 => {
                self.pieces.pop();
                Ok(0)
            }
            len => Ok(len),
        }
    }
}

#[test]
fn an_end_is_an_end() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    for at in 0..car.len() {
        let (first, second) = car.split_at(at);
        let read = Repo::from_reader(Resuming { pieces: vec![second, first] })
            .and_then(|repo| common::rows(&repo));
        let cut = Repo::from_slice(first).and_then(|repo| common::rows(&repo));
        assert_eq!(
            common::details(&read.unwrap_err()),
            common::details(&cut.unwrap_err()),
            "cut at {at}"
        );
    }
}

/// Fails at one call, and would go on after it.
struct FailingOnce<'a> {
    bytes: &'a [u8],
    calls: usize,
}

impl Read for FailingOnce<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls = self.calls.wrapping_sub(1);
        if self.calls == 0 {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            self.bytes.read(&mut buffer[..1])
        }
    }
}

#[test]
fn a_failure_at_any_byte_comes_out_as_it_is() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    for calls in 1..=car.len() + 1 {
        let error = Repo::from_reader(FailingOnce { bytes: &car, calls }).unwrap_err();
        assert!(error.is_io(), "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    }
    assert!(peek_commit(FailingOnce { bytes: &car, calls: 30 }).unwrap_err().is_io());
}

#[test]
fn a_section_reader_that_failed_gives_nothing_more() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let mut reader = carwalk::car::Reader::new(FailingOnce { bytes: &car, calls: 500 }).unwrap();
    while let Ok(section) = reader.read_section() {
        assert!(section.is_some());
    }
    assert!(reader.read_section().unwrap().is_none());
}
