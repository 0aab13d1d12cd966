//! Storage for blocks that exceed the memory limit: temporary files, and files that are kept.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use carwalk::store::{RedbStore, SpillFile};
use carwalk::{Repo, Suspended};
use clap::Args;

use super::folder;
use crate::failure::{Cause, YELLOW};
use crate::size;

/// Default cache size for a kept spill file, in bytes.
const USUAL_CACHE: u64 = 64 << 20;

/// Options for memory and spill files.
#[derive(Args, Clone, Debug)]
pub(super) struct Storage {
    /// Memory limit for blocks and index (mapped file: index; --keep, --kept: cache), like 256MiB;
    /// the rest goes into a temporary file [default: no limit; --keep, --kept: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse, help_heading = "Memory options")]
    memory_limit: Option<u64>,

    /// Folder of the temporary file [default on Unix: TMPDIR, else /var/tmp]
    #[arg(long, value_name = "DIR", conflicts_with = "keep", help_heading = "Memory options")]
    spill_dir: Option<PathBuf>,

    /// Most bytes stored in the temporary or kept file [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size::parse, help_heading = "Memory options")]
    max_spill: Option<u64>,

    /// Store the blocks in a new file, to be read with --kept
    #[arg(long, value_name = "FILE", help_heading = "Memory options")]
    keep: Option<PathBuf>,

    /// Print on stderr when blocks went into a file, how many bytes, and where
    #[arg(short, long, help_heading = "Memory options")]
    verbose: bool,
}

impl Storage {
    /// Checks the options before anything is read.
    pub(super) fn check(&self) -> Result<(), Cause> {
        if self.keep.as_deref() == Some(Path::new("-")) {
            return Err(Cause::Usage("--keep needs the name of a file (./- for one named -)"));
        }
        let found = match (&self.keep, &self.spill_dir) {
            (Some(path), _) if fs::symlink_metadata(path).is_ok() => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            (None, Some(folder)) => fs::metadata(folder).and_then(|metadata| {
                if metadata.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
            }),
            _ => Ok(()),
        };
        found.map_err(|error| Cause::SpillFile {
            use_of_file: self.use_of_file(),
            error: error.into(),
        })
    }

    /// Returns whether any of the options is set.
    pub(super) fn is_set(&self) -> bool {
        let Storage { memory_limit, spill_dir, max_spill, keep, verbose } = self;
        let is_sized = memory_limit.is_some() || max_spill.is_some();
        is_sized || spill_dir.is_some() || keep.is_some() || *verbose
    }

    /// Returns whether the blocks go into a kept spill file.
    pub(super) fn keeps(&self) -> bool {
        self.keep.is_some()
    }

    /// Returns the memory limit of a load, in bytes. Beyond it the load continues in a file.
    pub(super) fn memory_limit(&self) -> u64 {
        if self.keeps() { 0 } else { self.memory_limit.unwrap_or(u64::MAX) }
    }

    /// Returns the memory limit for the index of a mapped file, and the file for a larger index.
    pub(super) fn index(&self) -> Option<(u64, SpillFile)> {
        self.memory_limit.map(|limit| (limit, self.file()))
    }

    /// Continues a load in a file after it reached its memory limit.
    pub(super) fn spill<R: Read>(
        &self,
        load: Suspended<R>,
        note: impl Fn(fmt::Arguments<'_>),
    ) -> Result<Repo<RedbStore>, Cause> {
        let read = load.bytes_read();
        let repo = load.spill(self.file())?;
        self.tell(&format!("spilled after {read} bytes"), repo.store().bytes_stored(), note);
        Ok(repo)
    }

    /// Prints `what` was spilled. `stored` bytes are in the file.
    pub(super) fn tell(&self, what: &str, stored: u64, note: impl Fn(fmt::Arguments<'_>)) {
        let folder = self.folder();
        if !self.keeps() && folder::is_memory(&folder) {
            note(format_args!(
                "{YELLOW}warning:{YELLOW:#} the folder {folder:?} is in memory: spilled data \
                 takes memory too"
            ));
        }
        if !self.verbose {
            return;
        }
        let place = self.place();
        note(format_args!("{what}: {stored} bytes are stored in {place}"));
    }

    /// Returns an empty file for blocks.
    pub(super) fn file(&self) -> SpillFile {
        let file = match &self.keep {
            Some(path) => SpillFile::keep(path).cache_size(self.cache_size()),
            None => SpillFile::temporary_in(self.folder()),
        };
        file.max_stored(self.max_spill.unwrap_or(u64::MAX))
    }

    /// Returns the beginning of the message for an error of the file.
    pub(super) fn use_of_file(&self) -> String {
        let place = self.place();
        if self.keeps() {
            format!("cannot keep the blocks in {place}")
        } else {
            format!("cannot spill into {place}")
        }
    }

    /// Returns the cache size for a spill file, in bytes.
    pub(super) fn cache_size(&self) -> u64 {
        self.memory_limit.unwrap_or(USUAL_CACHE)
    }

    fn folder(&self) -> PathBuf {
        self.spill_dir.clone().unwrap_or_else(SpillFile::default_folder)
    }

    /// Returns the location of the file, safe to print.
    fn place(&self) -> String {
        match &self.keep {
            Some(path) => format!("{path:?}"),
            None => format!("the folder {:?}", self.folder()),
        }
    }
}
