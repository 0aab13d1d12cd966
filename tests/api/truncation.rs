//! CARs that are cut anywhere, and CARs with any one bit flipped: never taken for whole.

use crate::common;
use carwalk::ErrorClass;
use carwalk::{Loader, Repo};
use carwalk_testkit::car::{Car, header_value};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::repo::{Order, Repo as KitRepo};
use carwalk_testkit::{breakage, key, oracle};

fn assert_every_cut_is_found(car: &Car) {
    let bytes = car.to_bytes();
    let boundaries = car.offsets();
    common::rows_each_way(&bytes, Loader::new).unwrap();
    for end in 0..bytes.len() {
        let rows = common::rows_each_way(&bytes[..end], Loader::new);
        // The node of an empty tree need not be there: its CID says what is in it.
        if boundaries.contains(&end) && end > 0 && oracle::walk(&bytes[..end]).is_ok() {
            assert!(rows.unwrap().is_empty());
            continue;
        }
        let error = rows.unwrap_err();
        if boundaries.contains(&end) {
            assert_eq!(error.class(), ErrorClass::Missing, "cut at {end}: {error}");
        } else {
            assert_eq!(error.class(), ErrorClass::Truncated, "cut at {end}: {error}");
            let start =
                boundaries.iter().rfind(|&&start| start < end).map_or(0, |&start| start as u64);
            assert_eq!(error.position().offset(), Some(start), "cut at {end}: {error}");
        }
    }
}

#[test]
fn every_cut_of_a_repository_in_preorder_is_an_error() {
    assert_every_cut_is_found(&breakage::sample().to_car(Order::Preorder));
}

#[test]
fn every_cut_of_a_repository_with_its_commit_last_is_an_error() {
    assert_every_cut_is_found(&breakage::sample().to_car(Order::CommitLast));
}

#[test]
fn every_cut_of_an_empty_repository_is_an_error() {
    assert_every_cut_is_found(&KitRepo::new([]).to_car(Order::Preorder));
}

#[test]
fn every_bit_of_a_plain_repository_matters() {
    let bytes = KitRepo::sample(key::ascending(&[0, 1, 0])).to_bytes(Order::Preorder);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(common::rows_each_way(&flipped, Loader::new).is_err(), "bit {bit}");
    }
}

/// A header with keys that carwalk does not know, a second root, a repeated block and a stray one:
/// bits that say nothing of the repository, which may change it no more than the oracle allows.
#[test]
fn a_flipped_bit_anywhere_is_refused_or_changes_nothing() {
    let repo = KitRepo::sample(key::ascending(&[0, 1, 0]));
    let mut car = repo.to_car(Order::Preorder);
    let mut header = header_value(&[repo.commit_cid(), repo.root.cid()]);
    header
        .pairs_mut()
        .insert(0, (Value::text("note"), Value::Array(vec![Value::text("x"), Value::Uint(30)])));
    car.set_header(header.encode());
    car.sections.push(car.sections[2].clone());
    car.push_block(b"stray");
    let bytes = car.to_bytes();
    let expected = common::oracle_rows(&bytes);
    let mut accepted = 0;
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let rows = Repo::from_slice(&flipped).and_then(|repo| common::rows(&repo));
        assert_eq!(rows.is_ok(), oracle::walk(&flipped).is_ok(), "bit {bit}: {rows:?}");
        if let Ok(rows) = rows {
            assert!(rows == expected, "bit {bit}");
            accepted += 1;
        }
    }
    assert!(accepted > 256, "{accepted}");
}
