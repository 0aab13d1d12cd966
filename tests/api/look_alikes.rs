//! Files that are taken for exports and are none: each is told by its name, however it is read.

use crate::common;
use carwalk::ErrorClass;
use carwalk::error::{LookAlike, Structure};
use carwalk::store::{MemoryStore, SliceStore};
use carwalk::{Error, ErrorKind, Limits, Loader, Repo, peek_commit};
use carwalk_testkit::breakage;
use carwalk_testkit::car::Car;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::readers::OneByte;
use carwalk_testkit::repo::{Order, Repo as KitRepo};

/// The error that `bytes` are refused with in every way.
#[track_caller]
fn refusal(bytes: &[u8]) -> Error {
    let error = common::rows_each_way(bytes, Loader::new).unwrap_err();
    let others = [
        Repo::from_slice(bytes.to_vec()).unwrap_err(),
        peek_commit(bytes).unwrap_err(),
        peek_commit(OneByte(bytes)).unwrap_err(),
    ];
    for other in others {
        assert_eq!(common::details(&other), common::details(&error));
    }
    error
}

#[track_caller]
fn assert_looks_like(bytes: &[u8], expected: LookAlike) {
    let error = refusal(bytes);
    assert!(matches!(error.kind(), ErrorKind::LookAlike(found) if *found == expected), "{error}");
    let is_empty = expected == LookAlike::Empty;
    let class = if is_empty { ErrorClass::Truncated } else { ErrorClass::Invalid };
    assert_eq!(error.class(), class);
    if expected != LookAlike::BareTree {
        let stores = [SliceStore::new(bytes).unwrap_err(), MemoryStore::new(bytes).unwrap_err()];
        assert!(stores.iter().all(|store| common::details(store) == common::details(&error)));
        assert_eq!(error.position().structure(), Structure::Header);
        assert_eq!(error.position().offset(), Some(0));
    }
}

#[test]
fn empty_input() {
    assert_looks_like(b"", LookAlike::Empty);
    assert_eq!(refusal(b"").class(), ErrorClass::Truncated);
}

#[test]
fn json() {
    let answers: [&[u8]; 7] = [
        b"{\"error\":\"RepoNotFound\",\"message\":\"Could not find repo for DID: did:plc:abc\"}",
        b"{\"error\":\"InvalidRequest\"}\n",
        b"{}",
        b"[]",
        b"{",
        b"\n\n  {\"error\":\"RateLimitExceeded\"}",
        b"\t[1, 2, 3]",
    ];
    for answer in answers {
        assert_looks_like(answer, LookAlike::Json);
    }
    let long = [b"{\"cursor\":\"", &b"x".repeat(5000)[..], b"\"}"].concat();
    assert_looks_like(&long, LookAlike::Json);
}

#[test]
fn html_and_xml() {
    let answers: [&[u8]; 7] = [
        b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body></body></html>\n",
        b"<html></html>",
        b"<?xml version=\"1.0\"?><Error/>",
        b"\xef\xbb\xbf<html></html>",
        b"\r\n\r\n<html>",
        b"<",
        b"  <!-- a page -->",
    ];
    for answer in answers {
        assert_looks_like(answer, LookAlike::Html);
    }
    assert_looks_like(&b"<p>a long page</p>\n".repeat(500), LookAlike::Html);
}

#[test]
fn gzip() {
    assert_looks_like(
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        LookAlike::Gzip,
    );
    assert_looks_like(&[b"\x1f\x8b\x08\x00", &[0x55; 500][..]].concat(), LookAlike::Gzip);
    assert_looks_like(b"\x1f\x8b", LookAlike::Gzip);
}

#[test]
fn spill_file() {
    assert_looks_like(&[b"redb\x1a\n\xa9\r\n", &[0; 500][..]].concat(), LookAlike::SpillFile);
}

#[test]
fn car_of_version_2() {
    let pragma = b"\x0a\xa1\x67version\x02";
    assert_looks_like(pragma, LookAlike::CarV2);
    let car = breakage::sample().to_bytes(Order::Preorder);
    assert_looks_like(&[&pragma[..], &[0; 40], &car].concat(), LookAlike::CarV2);
}

#[test]
fn a_bare_tree() {
    for repo in [breakage::sample(), KitRepo::new([])] {
        let mut car = Car::new(&[repo.root.cid()]);
        for (cid, block) in repo.root.blocks() {
            car.push(cid, &block);
        }
        assert_looks_like(&car.to_bytes(), LookAlike::BareTree);
        let error = refusal(&car.to_bytes());
        assert_eq!(error.position().structure(), Structure::Commit);
        assert_eq!(error.cid(), Some(&common::cid(&repo.root.cid())));
    }
}

#[test]
fn a_car_without_its_commit() {
    let mut car = Car::new(&[KitCid::dag_cbor(b"elsewhere")]);
    let error = refusal(&car.to_bytes());
    assert_eq!(error.class(), ErrorClass::Missing, "{error}");
    car.push_block(b"\xa0");
    let error = refusal(&car.to_bytes());
    assert_eq!(error.class(), ErrorClass::Missing, "{error}");
    assert_eq!(error.position().structure(), Structure::Commit);
    assert_eq!(error.cid(), Some(&common::cid(&KitCid::dag_cbor(b"elsewhere"))));
}

#[test]
fn a_car_whose_root_is_a_record() {
    let mut car = Car::new(&[]);
    let cid = car.push_block(b"\xa1\x65$type\x70com.example.test");
    car.set_header(carwalk_testkit::car::header(&[cid]));
    let error = refusal(&car.to_bytes());
    assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
    assert_eq!(error.position().structure(), Structure::Commit);
}

#[test]
fn other_files_are_refused_for_what_they_are_not() {
    let files: [&[u8]; 6] = [
        b"Not Block\n",
        b"upstream connect error or disconnect/reset before headers",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"PK\x03\x04\x14\0\0\0\x08\0",
        &[0; 1000],
        &[0xff; 1000],
    ];
    for file in files {
        let error = refusal(file);
        let class = error.class();
        assert!(
            matches!(class, ErrorClass::Invalid | ErrorClass::Truncated | ErrorClass::Limit),
            "{error}"
        );
        assert!(!matches!(error.kind(), ErrorKind::LookAlike(_)), "{error}");
        assert_eq!(error.position().structure(), Structure::Header);
    }
}

/// How much there is after the header depends on who reads.
#[test]
fn what_comes_after_a_broken_header_does_not_change_the_error() {
    let files: [&[u8]; 3] = [b"\n          {\"error\":1}", b"\xef\xbb\xbf{\xff", b"\x01\n[1]"];
    for file in files {
        refusal(file);
    }
}

/// A header's length may be the code of a character: that alone makes no text of a CAR.
#[test]
fn a_car_whose_header_is_broken_is_not_taken_for_text() {
    for len in [b'<', b'{', b'[', b'\n', b' '] {
        let mut broken = vec![len, 0xa2, 0x65];
        broken.extend_from_slice(b"rootz");
        broken.resize(200, 0);
        let error = refusal(&broken);
        assert!(!matches!(error.kind(), ErrorKind::LookAlike(_)), "length {len:#x}: {error}");
    }
}

/// Only a length beyond the limit is refused before the header is there.
#[test]
fn a_broken_header_at_its_limit_is_not_taken_for_text() {
    let broken = [&b"<\xa2\x65rootz"[..], &[0; 200]].concat();
    for (max, is_alike) in [(b'<', false), (b'<' - 1, true)] {
        let loader = || Loader::new().limits(Limits::default().max_header_len(u32::from(max)));
        let error = common::rows_each_way(&broken, loader).unwrap_err();
        assert_eq!(
            matches!(error.kind(), ErrorKind::LookAlike(LookAlike::Html)),
            is_alike,
            "{error}"
        );
    }
}
