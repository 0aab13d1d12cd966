//! Damaged blocks, alone or beside intact ones with the same CID, where only reached blocks are
//! hashed: every store returns the intact one if there is one, and takes no damaged one for intact.

use crate::common;
use crate::common::{Row, spill};
use carwalk::store::{BlockStore, SpillFile};
use carwalk::{ErrorKind, Loader, Lookup, Repo, Result, Verification};
use carwalk_testkit::car::{Car, Section};
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::step;

/// More than the first buffer of a reader holds.
fn sample() -> KitRepo {
    KitRepo::new((0..400).map(|number| {
        let key = format!("com.example.test/{number:04}").into_bytes();
        (key.clone(), Record::new(key.repeat(40)))
    }))
}

fn damaged(section: &Section) -> Section {
    let mut section = section.clone();
    section.data.reverse();
    section
}

fn lazy() -> Loader {
    Loader::new().verification(Verification::ReachedBlocks)
}

/// A load that holds some of the blocks in memory when it goes on into a file, or none.
fn spilled(car: &[u8], limit: u64, file: SpillFile) -> Result<Repo<carwalk::store::RedbStore>> {
    let load = common::suspended(lazy().memory_limit(limit).from_reader(car)?);
    assert!(limit == 0 || load.bytes_read() > 100_000, "{} bytes", load.bytes_read());
    load.spill(file)
}

/// What each store makes of a CAR, given its name. Of the settings of files, each turn has some.
fn each_store(turn: usize, car: &[u8], mut seen: impl FnMut(&str, Result<Vec<Row>>)) {
    seen("slice", lazy().from_slice(car).and_then(|repo| twice(&repo)));
    seen("memory", lazy().from_reader(car).and_then(|repo| twice(&repo)));
    let index = lazy().memory_limit(0).from_slice(car, SpillFile::temporary());
    seen("index in a file", index.and_then(|repo| twice(&repo)));
    let settings = [0, 250_000].into_iter().flat_map(|limit| {
        let lens = [0, 1000, 16_372].into_iter();
        lens.flat_map(move |len| [0, 8 << 20].map(|cache_size| (limit, len, cache_size)))
    });
    for (limit, len, cache_size) in settings.skip(turn % step(4)).step_by(step(4)) {
        let file = SpillFile::temporary().segment_len(len).cache_size(cache_size);
        let rows = spilled(car, limit, file).and_then(|repo| twice(&repo));
        seen(&format!("file, limit {limit}, segments {len}, cache {cache_size}"), rows);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let kept = spill::all_into(lazy(), car, SpillFile::keep(&path)).and_then(|_| {
        lazy().memory_limit(8 << 20).from_spill_file(&path).and_then(|repo| twice(&repo))
    });
    seen("kept", kept);
}

/// The records of two walks, with lookups of all keys in between: what is held by then is of use.
fn twice<S: BlockStore>(repo: &Repo<S>) -> Result<Vec<Row>> {
    let rows = common::rows(repo)?;
    let mut order: Vec<&Row> = rows.iter().collect();
    Rng::new(1).shuffle(&mut order);
    for (key, cid, bytes) in order {
        match repo.tree().get_key(key)? {
            Lookup::Present { cid: found, record: Some(record) } => {
                assert!(found == *cid && record.as_ref() == &bytes[..], "{}", key.escape_ascii());
            }
            _ => panic!("{}", key.escape_ascii()),
        }
    }
    assert!(common::rows(repo)? == rows);
    Ok(rows)
}

#[test]
fn a_bad_copy_before_or_after_is_never_found_in_place_of_the_good_one() {
    let good = sample().to_car(Order::Preorder);
    let expected = common::oracle_rows(&good.to_bytes());
    let bad: Vec<Section> = good.sections.iter().map(damaged).collect();
    let pairs = || bad.iter().zip(&good.sections);
    let forms: [(&str, Vec<Section>); 4] = [
        ("all bad ones first", bad.iter().chain(&good.sections).cloned().collect()),
        ("all good ones first", good.sections.iter().chain(&bad).cloned().collect()),
        (
            "each bad one before",
            pairs().flat_map(|(bad, good)| [bad.clone(), good.clone()]).collect(),
        ),
        (
            "each bad one after",
            pairs().flat_map(|(bad, good)| [good.clone(), bad.clone()]).collect(),
        ),
    ];
    for (turn, (form, sections)) in forms.into_iter().enumerate() {
        let car = Car { sections, ..good.clone() }.to_bytes();
        each_store(turn, &car, |store, rows| {
            let rows = rows.unwrap_or_else(|error| panic!("{form}, {store}: {error}"));
            assert!(rows == expected, "{form}, {store}: other records");
        });
    }
}

/// Each block in turn that was in memory when the load went on in a file, or came after that.
#[test]
fn a_bad_block_without_a_good_copy_is_a_mismatch_wherever_it_was_when_the_load_stopped() {
    let good = sample().to_car(Order::Preorder);
    for number in [1, 2, 3, 30, 100, good.sections.len() - 1] {
        let mut car = good.clone();
        car.sections[number] = damaged(&car.sections[number]);
        each_store(number, &car.to_bytes(), |store, rows| match rows {
            Ok(_) => panic!("{store}: block {number} is believed"),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{store}: {error}")
            }
        });
    }
}
