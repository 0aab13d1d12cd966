use carwalk::KeyRange;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use carwalk::{Lookup, Repo};
use carwalk_testkit::car::Car;

use crate::choices::Choices;
use crate::common::keys::in_order;
use crate::common::part;
use crate::export::{Export, any_key};

type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A proof of any keys and ranges, with or without records, gives the same answers for them as the
/// whole repository. For other keys, it never contradicts the repository. It begins with the
/// commit. Only a block that is both a node and a record is in it twice.
pub fn proofs(data: &[u8]) {
    let mut choices = Choices::new(data);
    let export = Export::any(&mut choices, 24);
    let bytes = export.sections().to_bytes();
    let whole = Repo::from_slice(&bytes).unwrap();
    let present: Vec<Vec<u8>> = export.repo.entries().into_iter().map(|(key, _)| key).collect();
    let keys: Vec<Vec<u8>> = (0..choices.below(4)).map(|_| any(&present, &mut choices)).collect();
    let ranges: Vec<Range> = (0..choices.below(3)).map(|_| range(&present, &mut choices)).collect();
    let with_records = choices.flag();

    let mut request = whole.prove().records(with_records);
    for key in &keys {
        request = request.range(KeyRange::key(key));
    }
    for range in &ranges {
        request = request.range(range.clone());
    }
    let mut car = Vec::new();
    let stats = request.write(&mut car).unwrap();
    assert_eq!(stats.bytes, car.len() as u64);
    let proof = Repo::from_slice(&car).unwrap();
    assert_eq!(proof.commit(), whole.commit());
    assert_eq!((proof.stats().bytes, proof.stats().sections), (stats.bytes, stats.sections));
    let sections = Car::parse(&car).unwrap().sections;
    assert_eq!(sections[0].cid, whole.commit().cid().as_bytes());
    let mut count = BTreeMap::new();
    sections.iter().for_each(|section| *count.entry(&section.cid).or_insert(0) += 1);
    assert!(count.values().all(|&count| count <= 2));

    for key in &keys {
        let (here, there) =
            (proof.tree().get_key(key).unwrap(), whole.tree().get_key(key).unwrap());
        match here {
            Lookup::Present { cid, record: None } if !with_records => {
                assert!(matches!(there, Lookup::Present { cid: other, .. } if other == cid));
            }
            here => assert_eq!(here, there),
        }
    }
    for range in ranges {
        let found = proof.walk().range(range.clone()).completeness().unwrap();
        let expected = present.iter().filter(|key| range.contains(*key)).count();
        assert_eq!((found.entries, found.gaps), (expected as u64, 0), "{range:?}");
        assert!(!with_records || found.is_complete());
    }
    for key in present.iter().chain(&[any(&present, &mut choices)]) {
        match (proof.tree().get_key(key).unwrap(), whole.tree().get_key(key).unwrap()) {
            (Lookup::Absent, there) => assert_eq!(there, Lookup::Absent),
            (Lookup::Present { cid, .. }, there) => {
                assert!(matches!(there, Lookup::Present { cid: other, .. } if other == cid));
            }
            (Lookup::Unknown(_), _) => {}
        }
    }
}

/// Chooses a present key, a neighbour of one, or any other key.
fn any(present: &[Vec<u8>], choices: &mut Choices<'_>) -> Vec<u8> {
    if present.is_empty() || choices.below(4) == 0 {
        return any_key(choices);
    }
    let key = choices.pick(present);
    if choices.flag() { key.clone() } else { choices.pick(&part::neighbours(key)).clone() }
}

fn range(present: &[Vec<u8>], choices: &mut Choices<'_>) -> Range {
    let mut bound = || match choices.below(4) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Included(any(present, choices)),
        _ => Bound::Excluded(any(present, choices)),
    };
    in_order((bound(), bound()))
}
