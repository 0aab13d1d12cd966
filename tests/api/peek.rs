//! `peek_commit`: the commit, and no more of the stream than that takes.

use crate::common;
use carwalk::ErrorClass;
use std::io;

use carwalk::error::{Malformed, Structure};
use carwalk::{CommitRules, ErrorKind, Limits, Loader, Repo, Verification, peek_commit};
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::readers::{Counts, FailsAt, OneByte, Ragged};
use carwalk_testkit::repo::Order;
use carwalk_testkit::{breakage, legal, random};

/// A stream that fails when more than these bytes are asked for.
fn no_more_than(bytes: &[u8]) -> FailsAt<&[u8]> {
    FailsAt::after(bytes, io::Error::other("read beyond the commit"))
}

/// Where the section of the commit ends.
fn end_of_commit(bytes: &[u8]) -> usize {
    let car = Car::parse(bytes).unwrap();
    let commit = Repo::from_slice(bytes).unwrap().commit().cid();
    let index = car.sections.iter().position(|section| section.cid == commit.as_bytes()).unwrap();
    car.offsets()[index] + car.sections[index].len()
}

#[test]
fn the_commit_is_the_one_that_loading_finds() {
    let cars = legal::all()
        .map(legal::Oddity::make)
        .chain((0..cases(50)).map(|seed| random::repo(seed, 60).car));
    for car in cars {
        let expected = Repo::from_slice(&car).unwrap().commit().clone();
        assert_eq!(peek_commit(&car[..]).unwrap(), expected);
        assert_eq!(peek_commit(OneByte(&car[..])).unwrap(), expected);
        assert_eq!(peek_commit(Ragged::new(&car[..], 1)).unwrap(), expected);
    }
}

#[test]
fn not_a_byte_after_the_commit_is_waited_for() {
    for order in Order::ALL {
        let car = breakage::sample().to_bytes(order);
        let end = end_of_commit(&car);
        let counts = Counts::default();
        peek_commit(counts.reader(no_more_than(&car[..end]))).unwrap();
        assert_eq!(counts.bytes(), end as u64, "{order:?}");
        let counts = Counts::default();
        peek_commit(OneByte(counts.reader(&car[..]))).unwrap();
        assert_eq!(counts.bytes(), end as u64, "{order:?}");
    }
}

#[test]
fn little_is_read_of_a_large_stream() {
    let mut car = breakage::sample().to_car(Order::Preorder);
    for number in 0..100u32 {
        let block = [&number.to_be_bytes()[..], &[0; 50_000]].concat();
        car.push(KitCid::raw(&block), &block);
    }
    let counts = Counts::default();
    peek_commit(counts.reader(&car.to_bytes()[..])).unwrap();
    assert!(counts.bytes() <= 1 << 16, "{}", counts.bytes());
}

#[test]
fn garbage_after_the_commit_does_not_matter() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let end = end_of_commit(&car);
    let garbage = [&car[..end], &[0; 500]].concat();
    assert_eq!(peek_commit(&garbage[..]).unwrap(), *Repo::from_slice(&car).unwrap().commit());
    let error = peek_commit(&car[..end - 1]).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Truncated, "{error}");
}

#[test]
fn blocks_before_the_commit_are_not_hashed() {
    let mut car = breakage::sample().to_car(Order::CommitLast);
    car.sections[0].data[3] ^= 1;
    let car = car.to_bytes();
    assert!(Repo::from_slice(&car).is_err());
    assert_eq!(peek_commit(&car[..]).unwrap().version(), 3);
}

#[test]
fn a_stream_that_fails_before_the_commit_is_an_io_error() {
    let car = breakage::sample().to_bytes(Order::CommitLast);
    let error = peek_commit(no_more_than(&car[..200])).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
    assert_eq!(error.class(), ErrorClass::Io);
}

#[test]
fn a_damaged_commit_is_a_hash_mismatch() {
    let case = breakage::case("hash_of_commit");
    let error = peek_commit(&case.broken[..]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
    assert_eq!(error.position().structure(), Structure::Commit);
    assert_eq!(error.position().offset(), case.offset.map(|offset| offset as u64));
}

/// The section may be that of any block.
#[test]
fn an_error_of_a_section_does_not_name_the_commit() {
    let car = breakage::sample().to_bytes(Order::CommitLast);
    let error = peek_commit(&car[..100]).unwrap_err();
    assert_eq!((error.class(), error.cid()), (ErrorClass::Truncated, None), "{error}");
    assert_eq!(error.position().structure(), Structure::Section);
}

#[test]
fn an_absent_commit_is_missing() {
    for name in ["commit_absent", "end_after_header"] {
        let case = breakage::case(name);
        let error = peek_commit(&case.broken[..]).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Missing, "{error}");
        let root = Car::parse(&case.valid).unwrap().sections[0].cid.clone();
        assert_eq!(error.cid().unwrap().as_bytes()[..], root);
        assert_eq!(error.position().structure(), Structure::Commit);
    }
}

#[test]
fn legacy_commits_are_refused_as_such() {
    for name in ["commit_version_2", "commit_version_2_with_rev", "commit_without_prev"] {
        let error = peek_commit(&breakage::case(name).broken[..]).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Malformed(Malformed::LegacyCommit(_))),
            "{error}"
        );
    }
}

#[test]
fn a_loader_peeks_by_its_settings() {
    for name in ["commit_version_2", "commit_version_2_with_rev", "commit_without_prev"] {
        let car = breakage::case(name).broken;
        let loader = || Loader::new().commits(CommitRules::Legacy);
        let commit = loader().peek_commit(&car[..]).unwrap();
        assert_eq!(commit, *loader().from_slice(&car).unwrap().commit());
        assert_eq!(commit.rev().is_empty(), name == "commit_version_2");
    }
    let damaged = breakage::case("hash_of_commit").broken;
    for verification in [Verification::EveryBlock, Verification::ReachedBlocks] {
        let error = Loader::new().verification(verification).peek_commit(&damaged[..]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
    }
    Loader::new().verification(Verification::DangerouslyNone).peek_commit(&damaged[..]).unwrap();
    let short = Limits::default().max_header_len(57);
    let car = breakage::sample().to_bytes(Order::Preorder);
    assert_eq!(
        Loader::new().limits(short).peek_commit(&car[..]).unwrap_err().class(),
        ErrorClass::Limit
    );
}

#[test]
fn broken_headers_and_commits_are_refused_as_they_are_by_loading() {
    for breakage in breakage::all() {
        let case = breakage.make();
        let Err(expected) = Repo::from_slice(&case.broken) else {
            peek_commit(&case.broken[..]).unwrap();
            continue;
        };
        match peek_commit(&case.broken[..]) {
            Ok(_) => {
                assert_eq!(expected.position().structure(), Structure::Section, "{breakage:?}")
            }
            Err(error) if expected.position().structure() != Structure::Section => {
                assert_eq!(common::details(&error), common::details(&expected), "{breakage:?}");
            }
            Err(error) => {
                // Sections are read up to the commit only, and the commit hashed as such.
                assert!(
                    error.class() == ErrorClass::Invalid
                        || error.class() == ErrorClass::Missing
                        || error.class() == ErrorClass::Truncated,
                    "{breakage:?}: {error}"
                );
            }
        }
    }
}
