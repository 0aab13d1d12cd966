//! Readers that break the contract of `Read`, or come and go: an error or the right records, and
//! never a panic.

use crate::common;
use carwalk::ErrorClass;
use std::io;

use carwalk::{Repo, peek_commit};
use carwalk_testkit::breakage;
use carwalk_testkit::readers::{EndsAt, FailsAt, OneByte, Overstates};
use carwalk_testkit::repo::Order;

#[test]
fn a_reader_that_claims_too_much_is_no_panic() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    for by in [1, 100, 1 << 20, usize::MAX] {
        // Such a stream never ends, so the limit on its length must end it.
        let loader =
            || carwalk::Loader::new().limits(carwalk::Limits::default().max_stream_len(1 << 22));
        assert!(loader().from_reader(Overstates::new(&car[..], by)).is_err());
        let _ = loader().peek_commit(Overstates::new(&car[..], by));
    }
}

#[test]
fn an_end_is_an_end() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    for at in 0..car.len() {
        let read =
            Repo::from_reader(EndsAt::new(&car[..], at)).and_then(|repo| common::rows(&repo));
        let cut = Repo::from_slice(&car[..at]).and_then(|repo| common::rows(&repo));
        assert_eq!(
            common::details(&read.unwrap_err()),
            common::details(&cut.unwrap_err()),
            "cut at {at}"
        );
    }
}

/// A stream of single bytes that fails in place of the byte at `at`, and would go on after that.
fn failing_once(car: &[u8], at: usize) -> OneByte<FailsAt<&[u8]>> {
    OneByte(FailsAt::new(car, at, io::ErrorKind::TimedOut))
}

#[test]
fn a_failure_at_any_byte_comes_out_as_it_is() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    for at in 0..=car.len() {
        let error = Repo::from_reader(failing_once(&car, at)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Io, "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    }
    assert_eq!(peek_commit(failing_once(&car, 29)).unwrap_err().class(), ErrorClass::Io);
}

#[test]
fn a_section_reader_that_failed_gives_nothing_more() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let mut reader = carwalk::car::Reader::new(failing_once(&car, 499)).unwrap();
    while let Ok(section) = reader.read_section() {
        assert!(section.is_some());
    }
    assert!(reader.read_section().unwrap().is_none());
}
