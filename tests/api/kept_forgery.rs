//! Kept spill files with several facts forged at once and matching checksums: whatever can be
//! hashed is an error or right.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::kept::{Kept, TABLES};
use crate::common::{self, Row};
use carwalk::error::SpillFileFault;
use carwalk::store::{BlockStore, CarStore, RedbStore};
use carwalk::{Error, ErrorKind, Loader, Repo, Result, Verification};
use redb::{Database, ReadableDatabase, ReadableTable};

const ALL: [Verification; 3] =
    [Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone];

/// Where the numbers of the description begin.
const BYTES: usize = 50;
const SECTIONS: usize = 58;
const DISTINCT: usize = 66;
const SEGMENTS: usize = 82;
const PAGES: usize = 86;
const PAYLOAD_LEN: usize = 90;

type Table = BTreeMap<u32, Vec<u8>>;

/// All that a kept file holds.
#[derive(Clone)]
struct Contents {
    segments: Table,
    index: Table,
    description: Table,
}

impl Contents {
    fn read(path: &Path) -> Self {
        let database = Database::open(path).unwrap();
        let txn = database.begin_read().unwrap();
        let [segments, index, description] = TABLES.map(|table| {
            let table = txn.open_table(table).unwrap();
            let entries = table.iter().unwrap().map(Result::unwrap);
            entries.map(|(key, value)| (key.value(), value.value().to_vec())).collect()
        });
        Contents { segments, index, description }
    }

    /// Writes a new file, as another implementation could.
    fn write(&self, path: &Path) {
        let _ = fs::remove_file(path);
        let database = Database::create(path).unwrap();
        let txn = database.begin_write().unwrap();
        let tables = [&self.segments, &self.index, &self.description];
        for (definition, entries) in TABLES.into_iter().zip(tables) {
            let mut table = txn.open_table(definition).unwrap();
            for (&key, value) in entries {
                table.insert(key, value.as_slice()).unwrap();
            }
        }
        txn.commit().unwrap();
    }

    fn number(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.description[&0][at..at + 8].try_into().unwrap())
    }

    fn set(&mut self, at: usize, number: u64) {
        let facts = self.description.get_mut(&0).unwrap();
        facts[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }

    fn segment_count(&self) -> u32 {
        u32::from_le_bytes(self.description[&0][SEGMENTS..SEGMENTS + 4].try_into().unwrap())
    }

    fn set_segment_count(&mut self, count: u32) {
        let facts = self.description.get_mut(&0).unwrap();
        facts[SEGMENTS..SEGMENTS + 4].copy_from_slice(&count.to_le_bytes());
    }

    /// The number of a record's segment, and the record's position there.
    fn record(&self, segments: impl Iterator<Item = u32>) -> (u32, Stored) {
        let is_record = |segment: u32, stored: &Stored| {
            let bytes = &self.segments[&segment][stored.block..stored.end];
            // A map that is no node, and long enough to be no other's.
            stored.state() == 0
                && bytes[0] & 0xe0 == 0xa0
                && &bytes[1..3] != b"\x61e"
                && !bytes.windows(4).any(|window| window == b"\x63did")
                && bytes.len() > 30
        };
        let mut found = None;
        for segment in segments {
            for stored in stored(&self.segments[&segment]) {
                if is_record(segment, &stored) {
                    found = Some((segment, stored));
                }
            }
        }
        found.unwrap()
    }

    /// Changes a byte of a record, in the last segment that has one.
    fn forge_record(&mut self) -> (u32, Stored) {
        let (segment, stored) = self.record(0..self.segment_count());
        let bytes = self.segments.get_mut(&segment).unwrap();
        // Of the record's last value, which keeps its form.
        bytes[stored.end - 1] ^= 1;
        (segment, stored)
    }
}

/// A block in a segment.
#[derive(Clone, Copy)]
struct Stored {
    /// Where the head begins, and its first number.
    at: usize,
    first: u64,
    /// Where the block begins and ends.
    block: usize,
    end: usize,
}

impl Stored {
    fn state(&self) -> u64 {
        self.first & 3
    }
}

fn varint(bytes: &[u8]) -> (u64, usize) {
    let len = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let groups = bytes[..len].iter().rev();
    (groups.fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f)), len)
}

fn stored(segment: &[u8]) -> Vec<Stored> {
    let (mut all, mut at) = (Vec::new(), 8);
    while at < segment.len() {
        let (first, first_len) = varint(&segment[at..]);
        let (_, delta_len) = varint(&segment[at + first_len..]);
        let block = at + first_len + delta_len + 36;
        let end = block + (first >> 2) as usize;
        all.push(Stored { at, first, block, end });
        at = end;
    }
    all
}

fn open(path: &Path, verification: Verification) -> Result<Repo<RedbStore>> {
    Loader::new().verification(verification).memory_limit(1 << 20).from_spill_file(path)
}

fn read(path: &Path, verification: Verification) -> Result<Vec<Row>> {
    let repo = open(path, verification)?;
    let rows = common::rows(&repo)?;
    for section in repo.store().sections() {
        let section = section?;
        assert!(section.offset() < repo.stats().bytes);
        repo.store().get(&section.cid())?;
    }
    Ok(rows)
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidSpillFile(SpillFileFault::Damaged(_)))
}

/// Forges a file, and checks that it is damage under `refused_by`, and otherwise an error or right.
#[track_caller]
fn assert_refused(refused_by: &[Verification], forge: impl Fn(&mut Contents)) {
    let kept = Kept::new();
    let path = kept.other("forged");
    let good = Contents::read(&kept.path);
    good.write(&path);
    for verification in ALL {
        assert!(read(&path, verification).unwrap() == kept.rows, "the twin, {verification:?}");
    }
    let mut forged = good;
    forge(&mut forged);
    forged.write(&path);
    for verification in ALL {
        match read(&path, verification) {
            Err(error) if refused_by.contains(&verification) => {
                assert!(is_damage(&error), "{verification:?}: {error}");
            }
            Ok(_) if refused_by.contains(&verification) => panic!("{verification:?}: accepted"),
            Ok(rows) if verification != Verification::DangerouslyNone => {
                assert!(rows == kept.rows, "{verification:?}: forged records");
            }
            _ => {}
        }
    }
}

#[test]
fn a_forged_record_is_a_mismatch_wherever_blocks_are_hashed() {
    let kept = Kept::new();
    let mut forged = Contents::read(&kept.path);
    forged.forge_record();
    forged.write(&kept.path);
    for verification in [Verification::EveryBlock, Verification::ReachedBlocks] {
        let error = read(&kept.path, verification).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
    }
    // The forgery is one that nothing else would find.
    assert!(read(&kept.path, Verification::DangerouslyNone).unwrap() != kept.rows);
}

#[test]
fn segments_that_the_description_does_not_count_are_damage() {
    // Only the count of segments; then with counts of blocks that fit.
    assert_refused(&ALL, |contents| {
        let (segment, _) = contents.forge_record();
        contents.set_segment_count(segment);
    });
    assert_refused(&ALL, |contents| {
        let (segment, _) = contents.forge_record();
        let hidden = segment..contents.segment_count();
        let hidden: u64 = hidden.map(|it| stored(&contents.segments[&it]).len() as u64).sum();
        contents.set_segment_count(segment);
        contents.set(SECTIONS, contents.number(SECTIONS) - hidden);
        contents.set(DISTINCT, contents.number(DISTINCT).min(contents.number(SECTIONS)));
    });
    assert_refused(&ALL, |contents| {
        contents.forge_record();
        contents.set_segment_count(0);
    });
}

#[test]
fn a_segment_with_a_number_beyond_the_count_is_damage() {
    // The segment of the forged record moves, the index follows, and the count stays.
    assert_refused(&ALL, |contents| {
        let (segment, _) = contents.forge_record();
        let beyond = contents.segment_count();
        let bytes = contents.segments.remove(&segment).unwrap();
        contents.segments.insert(beyond, bytes);
        let payload_len = contents.number(PAYLOAD_LEN) as usize;
        for page in contents.index.values_mut() {
            for entry in page.chunks_exact_mut(2 + payload_len) {
                let payload = &mut entry[2..];
                if payload.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte)) == segment
                {
                    payload.copy_from_slice(&beyond.to_le_bytes()[..payload_len]);
                }
            }
        }
    });
    // The same with a segment in its place, so that there are as many as ever.
    assert_refused(&ALL, |contents| {
        let (segment, _) = contents.forge_record();
        let beyond = contents.segment_count() + 5;
        let last = contents.segments.remove(&segment).unwrap();
        contents.segments.insert(beyond, last);
    });
}

#[test]
fn a_block_that_passes_for_a_processed_value_is_damage() {
    assert_refused(&ALL, |contents| {
        let (segment, stored) = contents.forge_record();
        assert_eq!(stored.first & 3, 0);
        contents.segments.get_mut(&segment).unwrap()[stored.at] |= 1;
    });
    // A file that says that it has processed values needs the function of whoever opens it.
    let kept = Kept::new();
    let mut contents = Contents::read(&kept.path);
    let (segment, stored) = contents.forge_record();
    contents.segments.get_mut(&segment).unwrap()[stored.at] |= 1;
    contents.description.get_mut(&0).unwrap()[99] = 1;
    contents.write(&kept.path);
    for verification in ALL {
        let error = open(&kept.path, verification).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::InvalidSpillFile(SpillFileFault::Processed)),
            "{error}"
        );
    }
}

#[test]
fn counts_that_are_not_those_of_the_file_are_damage() {
    const EVERY: &[Verification] = &[Verification::EveryBlock];
    assert_refused(&ALL, |contents| contents.set(SECTIONS, contents.number(SECTIONS) + 1));
    assert_refused(EVERY, |contents| contents.set(DISTINCT, contents.number(DISTINCT) - 1));
    assert_refused(&ALL, |contents| {
        contents.set(SECTIONS, contents.number(SECTIONS) + 1);
        contents.set(DISTINCT, contents.number(DISTINCT) + 1);
    });
    // One block less than it says, and the counts of the rest.
    assert_refused(EVERY, |contents| {
        let segment = contents.segment_count() / 2;
        let blocks = stored(&contents.segments[&segment]);
        let last = blocks.last().unwrap().at;
        contents.segments.get_mut(&segment).unwrap().truncate(last);
        contents.set(SECTIONS, contents.number(SECTIONS) - 1);
        contents.set(DISTINCT, contents.number(DISTINCT) - 1);
    });
    // Bytes after the last block of a segment.
    assert_refused(&ALL, |contents| {
        contents.segments.get_mut(&0).unwrap().push(0xff);
    });
}

#[test]
fn an_index_that_does_not_fit_the_segments_is_damage() {
    const EVERY: &[Verification] = &[Verification::EveryBlock];
    // A page that is gone, that is cut, and one more.
    assert_refused(EVERY, |contents| drop(contents.index.pop_last()));
    assert_refused(EVERY, |contents| {
        contents.index.values_mut().next().unwrap().pop();
    });
    assert_refused(EVERY, |contents| {
        let pages = contents.description[&0][PAGES..PAGES + 4].try_into().unwrap();
        let (_, page) = contents.index.pop_first().unwrap();
        contents.index.insert(u32::from_le_bytes(pages), page);
    });
    // A segment that does not exist.
    assert_refused(EVERY, |contents| {
        let payload_len = contents.number(PAYLOAD_LEN) as usize;
        let page = contents.index.values_mut().next().unwrap();
        page[2..2 + payload_len].fill(0xff);
    });
}

/// Callers size sets by the length of the CAR, and fill them by offsets.
#[test]
fn offsets_beyond_the_end_of_the_car_are_damage() {
    for far in [1 << 39, 1 << 50, u64::MAX / 2, u64::MAX] {
        assert_refused(&ALL, |contents| {
            for segment in contents.segments.values_mut() {
                segment[..8].copy_from_slice(&far.to_le_bytes());
            }
        });
        assert_refused(&ALL, |contents| {
            let last = contents.segment_count() - 1;
            contents.segments.get_mut(&last).unwrap()[..8].copy_from_slice(&far.to_le_bytes());
        });
        // With a length of the CAR that has them within.
        if far > 1 << 40 {
            assert_refused(&ALL, |contents| {
                for segment in contents.segments.values_mut() {
                    segment[..8].copy_from_slice(&far.to_le_bytes());
                }
                contents.set(BYTES, u64::MAX);
            });
        }
    }
}

#[test]
fn a_car_longer_than_can_be_is_damage() {
    let kept = Kept::new();
    let good = Contents::read(&kept.path);
    // Of the header, the file has only the roots: as long as the longest header, a CAR is believed.
    let longest = u64::from(u32::MAX);
    for (bytes, is_good) in
        [(longest, true), (1 << 40, false), ((1 << 40) + 1, false), (u64::MAX, false), (36, false)]
    {
        let mut contents = good.clone();
        contents.set(BYTES, bytes);
        contents.write(&kept.path);
        let opened = RedbStore::open(&kept.path, 0);
        assert_eq!(opened.is_ok(), is_good, "{bytes}");
        assert!(opened.err().is_none_or(|error| is_damage(&error)));
    }
}

#[test]
fn sections_out_of_order_are_damage_and_never_without_end() {
    let kept = Kept::new();
    let good = Contents::read(&kept.path);
    let count = good.segment_count();
    let forgeries: [fn(&mut Contents, u32); 3] = [
        // All at one offset.
        |contents, _| {
            for segment in contents.segments.values_mut() {
                segment[..8].fill(0);
            }
        },
        |contents, count| {
            let first = contents.segments[&0].clone();
            contents.segments.insert(count / 2, first);
        },
        |contents, count| {
            let segments: Vec<_> = contents.segments.values().rev().cloned().collect();
            contents.segments = (0..count).zip(segments).collect();
        },
    ];
    for (number, forge) in forgeries.into_iter().enumerate() {
        let mut contents = good.clone();
        forge(&mut contents, count);
        contents.write(&kept.path);
        let store = RedbStore::open(&kept.path, 0).unwrap();
        let (mut last, mut errors) = (None, 0);
        for section in store.sections() {
            match section {
                Ok(section) => assert!(last.replace(section.offset()) < Some(section.offset())),
                Err(error) => {
                    assert!(is_damage(&error), "{number}: {error}");
                    errors += 1;
                }
            }
        }
        assert_eq!(errors, 1, "{number}");
    }
}

#[test]
fn repeated_blocks_in_segments_that_do_not_exist_are_damage() {
    assert_refused(&ALL, |contents| {
        let len = contents.segment_count().div_ceil(8) as usize;
        contents.description.insert(1, vec![0xff; len + 1]);
    });
}
