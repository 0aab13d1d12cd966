use std::path::{Path, PathBuf};

use carwalk::store::{RedbStore, SpillFile};
use carwalk::{Keep, Loaded, Loader, Process, Repo, Result, Verification};
use tempfile::TempDir;

use crate::choices::Choices;
use crate::export::{Export, damaged, lengthen, surrounded};
use crate::seen::{Seen, assert_same};

/// Slice, memory, a spill file with tiny segments and hardly any cache, the same file used again, a
/// spilled index, and a kept spill file that is opened: the same records, counts, partial walks,
/// lookups and written CARs, or the same error at the same position. CARs are damaged in any way,
/// and some are longer than a reader's buffer. With threads, the same holds for CARs that are long
/// enough to be hashed on several threads.
pub fn store_independence(data: &[u8]) {
    let mut choices = Choices::new(data);
    let verification = any_verification(&mut choices);
    let salvage = choices.flag();
    let plan = Plan::of(&mut choices);
    // Salvaged CARs are not written to kept spill files.
    let salvage = salvage && plan.kind != Kind::Kept;
    let loader = || Loader::new().verification(verification).salvage(salvage);
    let mut car = Export::of_paths(&mut choices, 24).sections();
    lengthen(&mut car, &mut choices);
    let car = damaged(car, &mut choices);
    let expected = loader().from_slice(&car[..]).map(|repo| Seen::of(&repo));
    assert_same("memory", &expected, &loader().from_reader(&car[..]).map(|repo| Seen::of(&repo)));

    let folder = scratch();
    let file = || SpillFile::temporary_in(folder.path());
    match plan.kind {
        Kind::Temporary => {
            let way = plan.load(loader(), &car, file());
            assert_same("file", &expected, &way.as_ref().map(Way::seen));
            if let Ok(Way::File(repo)) = way {
                let again =
                    loader().memory_limit(0).spill(&car[..], repo.into_store().reset().unwrap());
                assert_same("file used again", &expected, &again.map(|repo| Seen::of(&repo)));
            }
        }
        Kind::Kept => {
            let path = folder.path().join("kept");
            let way = plan.load(loader(), &car, SpillFile::keep(&path));
            assert_eq!(path.exists(), matches!(way, Ok(Way::File(_))));
            assert_same("file to be kept", &expected, &way.map(|way| way.seen()));
            if path.exists() {
                let opened = loader().from_spill_file(&path);
                assert_same("kept", &expected, &opened.map(|repo| Seen::of(&repo)));
            }
        }
        Kind::Index => {
            let indexed = loader().memory_limit(plan.cache_size).from_slice(&car[..], file());
            assert_same("index in a file", &expected, &indexed.map(|repo| Seen::of(&repo)));
        }
    }
    let threads = *choices.pick(&[0, 0, 0, 0, 0, 2, 3, 8]);
    if threads > 0 {
        thread_independence(&surrounded(&car), &plan, threads, loader, file);
    }
}

fn thread_independence(
    car: &[u8],
    plan: &Plan,
    threads: usize,
    loader: impl Fn() -> Loader,
    file: impl Fn() -> SpillFile,
) {
    let expected = loader().from_slice(car).map(|repo| Seen::of(&repo));
    let threaded = || loader().threads(threads);
    assert_same(
        "slice, threads",
        &expected,
        &threaded().from_slice(car).map(|repo| Seen::of(&repo)),
    );
    assert_same(
        "memory, threads",
        &expected,
        &threaded().from_reader(car).map(|repo| Seen::of(&repo)),
    );
    assert_same(
        "file, threads",
        &expected,
        &plan.load(threaded(), car, file()).map(|way| way.seen()),
    );
    let indexed = threaded().memory_limit(plan.cache_size).from_slice(car, file());
    assert_same("index in a file, threads", &expected, &indexed.map(|repo| Seen::of(&repo)));
}

/// The settings of a load into a file.
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) cache_size: u64,
    segment_len: u32,
    /// Memory limits, one after the other. After the last, the load continues in the file.
    limits: Vec<u64>,
}

/// The content of a file.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// The blocks, in a temporary spill file.
    Temporary,
    /// The blocks, in a kept spill file.
    Kept,
    /// Only the index.
    Index,
}

/// A completed load.
#[allow(clippy::large_enum_variant, reason = "only one exists at a time")]
pub(crate) enum Way<P> {
    Memory(Repo<carwalk::store::MemoryStore, P>),
    File(Repo<RedbStore, P>),
}

impl Way<Keep> {
    fn seen(&self) -> Seen {
        match self {
            Way::Memory(repo) => Seen::of(repo),
            Way::File(repo) => Seen::of(repo),
        }
    }
}

impl Plan {
    pub(crate) fn of(choices: &mut Choices<'_>) -> Self {
        Plan {
            kind: *choices.pick(&[Kind::Temporary, Kind::Kept, Kind::Index]),
            cache_size: choices.below(4) as u64 * 3000,
            segment_len: *choices.pick(&[0, 60, 300, 1000, 16_372, 65_524]),
            limits: (0..choices.below(3)).map(|_| choices.below(100) as u64 * 1000).collect(),
        }
    }

    /// Loads a CAR. Continues in a file when the last limit is reached.
    pub(crate) fn load<P: Process + Clone>(
        &self,
        loader: Loader<P>,
        car: &[u8],
        file: SpillFile,
    ) -> Result<Way<P>> {
        let file = file.segment_len(self.segment_len).cache_size(self.cache_size);
        let mut limits = self.limits.iter().copied();
        let mut loaded = loader.memory_limit(limits.next().unwrap_or(0)).from_reader(car)?;
        loop {
            loaded = match (loaded, limits.next()) {
                (Loaded::Complete(repo), _) => return Ok(Way::Memory(repo)),
                (Loaded::Suspended(load), Some(more)) => {
                    let limit = load.memory_limit() + more;
                    load.resume(limit)?
                }
                (Loaded::Suspended(load), None) => return Ok(Way::File(load.spill(file)?)),
            };
        }
    }
}

pub(crate) fn any_verification(choices: &mut Choices<'_>) -> Verification {
    *choices.pick(&[
        Verification::EveryBlock,
        Verification::ReachedBlocks,
        Verification::DangerouslyNone,
    ])
}

/// Creates a folder for one run, in memory if the system has such a place.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { PathBuf::from(memory) } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("carwalk-fuzz-").tempdir_in(folder).unwrap()
}
