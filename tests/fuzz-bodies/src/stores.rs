use std::path::{Path, PathBuf};

use carwalk::store::{RedbStore, SpillFile};
use carwalk::{Loaded, Loader, Process, Repo, Result, Unlimited, Verification};
use tempfile::TempDir;

use crate::car::{assert_same, told};
use crate::choices::Choices;
use crate::common;
use crate::export::Export;

/// Slice, memory, a file of tiny segments with hardly any memory, and a kept file that is opened again: the same records and
/// counts, or the same error at the same place. CARs are damaged in any way; lookups agree too.
pub fn store_independence(data: &[u8]) {
    let mut choices = Choices::new(data);
    let verification = any_verification(&mut choices);
    let salvage = choices.flag();
    let loader = || Loader::new().verification(verification).salvage(salvage);
    let plan = Plan::of(&mut choices);
    let car = Export::of_paths(&mut choices, 24).damaged(&mut choices);
    let expected = loader().slice(&car[..]).and_then(|repo| told(&repo));
    assert_same("memory", &expected, &loader().read(&car[..]).and_then(|repo| told(&repo)));

    let folder = scratch();
    if plan.temporary {
        let spilled = plan.load(loader(), &car, SpillFile::temporary_in(folder.path()));
        assert_same(
            "file",
            &expected,
            &spilled.and_then(|way| match way {
                Way::Memory(repo) => told(&repo),
                Way::File(repo) => told(&repo),
            }),
        );
    }
    if plan.kept {
        let path = folder.path().join("kept");
        let spilled = plan.load(loader(), &car, SpillFile::keep(&path));
        assert_eq!(path.exists(), matches!(spilled, Ok(Way::File(_))));
        drop(spilled);
        if path.exists() {
            let reopened = loader().reopen(RedbStore::open(&path, plan.cache_size).unwrap());
            let reopened = reopened.and_then(|repo| common::told(&repo));
            assert_same("kept", &expected.map(|(told, _)| told), &reopened);
        }
    }
}

/// How a load goes into a file.
pub(crate) struct Plan {
    pub(crate) temporary: bool,
    pub(crate) kept: bool,
    pub(crate) cache_size: u64,
    segment_len: u32,
    /// Memory limits one after the other; then the file.
    limits: Vec<u64>,
}

/// A load that is whole.
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub(crate) enum Way<P> {
    Memory(Repo<carwalk::store::MemoryStore, P>),
    File(Repo<RedbStore, P>),
}

impl Plan {
    pub(crate) fn of(choices: &mut Choices<'_>) -> Self {
        let kind = choices.below(3);
        Plan {
            temporary: kind != 1,
            kept: kind != 0,
            cache_size: choices.below(4) as u64 * 3000,
            segment_len: *choices.pick(&[0, 60, 300, 1000, 16_372, u32::MAX]),
            limits: (0..choices.below(3)).map(|_| choices.below(100) as u64 * 1000).collect(),
        }
    }

    /// Loads a CAR, and goes on into a file where the last limit is reached.
    pub(crate) fn load<P: Process>(
        &self,
        loader: Loader<'static, Unlimited, P>,
        car: &[u8],
        file: SpillFile,
    ) -> Result<Way<P>> {
        let file = file.segment_len(self.segment_len).cache_size(self.cache_size);
        let mut limits = self.limits.iter().copied();
        let mut loaded = loader.memory_limit(limits.next().unwrap_or(0)).read(car)?;
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
    *choices.pick(&[Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone])
}

/// A folder for one run, in memory where there is such a place.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { PathBuf::from(memory) } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("carwalk-fuzz-").tempdir_in(folder).unwrap()
}
