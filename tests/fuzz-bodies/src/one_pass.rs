use std::io::Read;

use carwalk::error::LimitName;
use carwalk::{Error, ErrorKind, Loader, Result, Streamed};
use carwalk_testkit::readers::{OneByte, Ragged};
use carwalk_testkit::repo::Order;

use crate::choices::Choices;
use crate::common::one_pass::{Way, is_out_of_order};
use crate::common::{self, Row, one_pass as pass};
use crate::export::{Export, damaged, lengthen};

/// A CAR that is read in one pass has the records and entries of its load, whether its blocks are
/// in pre-order or not. Or the error says that they are not, or that a repeated record was not
/// kept. A one-pass walk accepts nothing that a load refuses, also if the CAR is cut anywhere.
pub fn one_pass(data: &[u8]) {
    let mut choices = Choices::new(data);
    let loader = Loader::new().keep_repeats(*choices.pick(&[u64::MAX, u64::MAX, 0, 1, 200]));
    let seed = choices.byte();
    let in_order = choices.flag();
    let mut export = Export::of_paths(&mut choices, 24);
    if in_order {
        export.order = *choices.pick(&[Order::Preorder, Order::PreorderRepeating]);
    }
    let mut car = export.sections();
    lengthen(&mut car, &mut choices);
    let car = damaged(car, &mut choices);

    let loaded = loader.from_reader(&car[..]);
    let expected = loaded.and_then(|repo| common::rows(&repo));
    let (way, found) = pass::rows(&loader, stream(&car, seed));
    assert_fits(&expected, &found);
    if way == Way::OnePass && found.is_ok() {
        assert_entries(&loader, &car, seed, &expected);
    }
    // The part up to anywhere is not taken for the whole, unless it is whole, too.
    let cut = &car[..choices.below(car.len() + 1)];
    let expected = loader.from_reader(cut).and_then(|repo| common::rows(&repo));
    assert_fits(&expected, &pass::rows(&loader, stream(cut, seed)).1);
}

fn stream(car: &[u8], seed: u8) -> Box<dyn Read + '_> {
    match seed {
        0 => Box::new(OneByte(car)),
        1..128 => Box::new(car),
        seed => Box::new(Ragged::new(car, seed.into())),
    }
}

fn assert_fits(expected: &Result<Vec<Row>>, found: &Result<Vec<Row>>) {
    match (expected, found) {
        (Ok(expected), Ok(found)) => assert!(expected == found, "other records"),
        (Ok(_), Err(error)) => assert!(is_of_order(error), "{error:?}"),
        (Err(error), Ok(_)) => panic!("accepted, but a load fails: {error:?}"),
        // Of several faults, either may be found first.
        (Err(_), Err(_)) => {}
    }
}

/// Returns whether only a load can read the CAR.
fn is_of_order(error: &Error) -> bool {
    let limit = |kind: &ErrorKind| match kind {
        ErrorKind::Limit { limit, .. } => *limit == LimitName::KeptRepeats,
        _ => false,
    };
    is_out_of_order(error) || limit(error.kind())
}

/// Asserts that a walk over the entries finds those of all records.
fn assert_entries(loader: &Loader, car: &[u8], seed: u8, expected: &Result<Vec<Row>>) {
    let Ok(Streamed::PreOrder(walk)) = loader.stream(stream(car, seed)) else {
        panic!("not in pre-order the second time")
    };
    let entries: Result<Vec<_>> = walk.into_entries().collect();
    let (Ok(entries), Ok(expected)) = (entries, expected) else { panic!("no entries") };
    assert_eq!(entries.len(), expected.len());
    for (entry, (key, cid, _)) in entries.iter().zip(expected) {
        assert_eq!((entry.path().as_str().as_bytes(), entry.cid()), (&key[..], *cid));
    }
}
