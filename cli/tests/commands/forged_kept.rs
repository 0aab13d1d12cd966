//! Kept files with offsets that no CAR has, and checksums that fit: refused, and no memory is taken
//! for what they claim.

use std::fs;
use std::sync::LazyLock;

use crate::harness::{Run, TempCar, run_command, run_on};
use carwalk_testkit::export::{Export, Order};
use redb::{Database, ReadableTable, TableDefinition};

const DESCRIPTION: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("carwalk");

const SEGMENTS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("carwalk segments");

/// Commands that look at offsets, and what is told of offsets outside of the CAR.
const COMMANDS: [&[&str]; 4] = [&["inspect"], &["inspect", "--json"], &["verify"], &["ls", "-l"]];

/// A CAR whose order is told by the offsets of all sections, and what a kept file has of it.
static SOUND: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let mut car = Vec::new();
    Export { records: 500, seed: 4, order: Order::Pds }.write_to(&mut car).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    run_on(["ls", "--keep", path.to_str().unwrap()], &car).quiet_success();
    (car, fs::read(path).unwrap())
});

/// A kept file, to be forged.
struct Kept(TempCar);

impl Kept {
    fn new() -> Self {
        Kept(TempCar::named("kept", &SOUND.1))
    }

    /// Changes all values of a table.
    fn change(&self, table: TableDefinition<'_, u32, &[u8]>, change: impl Fn(u32, &mut Vec<u8>)) {
        let database = Database::open(self.0.path()).unwrap();
        let txn = database.begin_write().unwrap();
        {
            let mut table = txn.open_table(table).unwrap();
            let keys: Vec<u32> = table.iter().unwrap().map(|row| row.unwrap().0.value()).collect();
            for key in keys {
                let mut value = table.get(key).unwrap().unwrap().value().to_vec();
                change(key, &mut value);
                table.insert(key, value.as_slice()).unwrap();
            }
        }
        txn.commit().unwrap();
    }

    /// Moves all sections from segment `first` on by so many bytes.
    fn move_sections(&self, first: u32, by: u64) {
        self.change(SEGMENTS, |key, segment| {
            let (base, _) = segment.split_first_chunk_mut().unwrap();
            if key >= first {
                *base = u64::from_le_bytes(*base).wrapping_add(by).to_le_bytes();
            }
        });
    }

    /// Gives the CAR another length.
    fn set_len(&self, len: u64) {
        let old = (SOUND.0.len() as u64).to_le_bytes();
        self.change(DESCRIPTION, |key, value| {
            if key == 0 {
                let mut places = value.windows(8).enumerate().filter(|(_, found)| **found == old);
                let (at, _) = places.next().unwrap();
                assert!(places.next().is_none());
                value[at..at + 8].copy_from_slice(&len.to_le_bytes());
            }
        });
    }

    /// Runs a command on the file, where it can be with 1 GiB of address space.
    fn run(&self, args: &[&str]) -> Run {
        #[cfg(target_os = "linux")]
        let mut tool = crate::harness::tool_within(1 << 20);
        #[cfg(not(target_os = "linux"))]
        let mut tool = harness::tool();
        run_command(tool.args(args).arg("--kept").arg(self.0.path()))
    }
}

#[track_caller]
fn assert_refused(kept: &Kept, commands: &[&[&str]], what: &str) {
    for command in commands {
        let error = kept.run(command).one_error(3);
        assert!(error.contains("the spill file is damaged: "), "{what}: {error}");
    }
}

#[test]
fn a_kept_file_as_it_was_written_is_read_within_the_same_memory() {
    let kept = Kept::new();
    for command in COMMANDS {
        let expected = run_on(command, &SOUND.0).quiet_success();
        assert_eq!(kept.run(command).quiet_success(), expected);
    }
}

#[test]
fn sections_that_are_not_within_the_car_are_an_error() {
    for by in [1 << 60, 1 << 40, u64::MAX - (1 << 30), 1 << 21] {
        for first in [0, 1, 5] {
            let kept = Kept::new();
            kept.move_sections(first, by);
            assert_refused(&kept, &COMMANDS, &format!("segments from {first} moved by {by}"));
        }
    }
}

#[test]
fn a_car_that_is_too_long_for_the_file_is_an_error() {
    for len in [u64::MAX, 1 << 62, 1 << 40, 1 << 33] {
        let kept = Kept::new();
        kept.set_len(len);
        assert_refused(&kept, &COMMANDS, &format!("{len} bytes"));
        // The sections are where such a CAR could have them.
        kept.move_sections(3, len - (1 << 22));
        assert_refused(&kept, &COMMANDS, &format!("{len} bytes, and moved segments"));
    }
}

/// A header may take what the file does not account for, so this is no error; it must cost little.
#[test]
fn offsets_that_a_long_header_would_explain_take_little_memory() {
    let kept = Kept::new();
    kept.set_len(1 << 32);
    kept.move_sections(0, (1 << 32) - (1 << 22));
    for command in COMMANDS {
        kept.run(command).quiet_success();
    }
}

#[test]
fn sections_that_overlap_are_an_error() {
    let kept = Kept::new();
    kept.move_sections(1, 100_u64.wrapping_neg());
    // Others do not ask for the sections in the order of the CAR.
    assert_refused(&kept, &[&["inspect"]], "segments moved back");
}
