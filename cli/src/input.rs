//! The origin of the CAR, and the settings for reading it.

mod folder;
mod loaded;
mod many;
mod one_pass;
mod opened;
mod reading;
mod several;
mod storage;
mod store;
mod stream;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use carwalk::error::Structure;
use carwalk::store::{BlockStore, CarStore, MappedFile};
use carwalk::{
    BoundedLoader, Cid, Commit, CommitRules, Error, ErrorKind, Limits, Loader, Repo, StreamWalk,
    Tree, Verification,
};
use carwalk_batch::compressed::is_compressed;
use clap::Args;

use self::loaded::LoadedCar;
pub(crate) use self::one_pass::{OnePass, repeated};
use self::opened::{Opened, OpenedRepo};
pub(crate) use self::reading::{NO_MMAP_OF_MANY, Reading};
pub(crate) use self::several::{Fault, OpenedTree, Several};
use self::storage::Storage;
pub(crate) use self::store::{InputStore, LeftOut};
use self::stream::Stream;
use crate::failure::{Cause, Failure};
use crate::output::Output;
use crate::progress::{SharedProgress, Unit};
use crate::{commits, hints};

/// A command over one repository in any store.
pub(crate) trait Command {
    /// Whether the command has an option that accepts partial CARs.
    const HAS_PARTIAL: bool = false;

    /// Returns whether the command opens damaged CARs and hashes only the blocks that it reaches.
    fn salvages(&self) -> bool {
        false
    }

    /// Checks the options before anything is read.
    fn check(&self) -> Result<(), Cause> {
        Ok(())
    }

    /// Returns whether the command writes bytes to standard output, not text.
    fn is_binary(&self) -> bool {
        false
    }

    /// Returns how the command reads the CAR in one pass, if it is asked to.
    fn one_pass(&self) -> Option<OnePass> {
        None
    }

    /// Runs the command over a stream in pre-order. Only if it can read a CAR in one pass.
    fn pass<R: Read>(&self, _: StreamWalk<R>, _: &mut Output) -> Result<(), Cause> {
        Err(Cause::Usage("the command has no option --one-pass"))
    }

    /// Runs the command.
    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause>;
}

/// A command that can also read a bare tree: a CAR whose first root is a node, and not a commit.
pub(crate) trait TreeCommand: Command {
    /// Returns whether the CAR has a bare tree.
    fn is_bare(&self) -> bool;

    /// Runs the command over a bare tree.
    fn run_bare<S: BlockStore>(&self, tree: &Tree<S>, out: &mut Output) -> Result<(), Cause>;
}

/// The help of CAR where paths follow it. Unlike with `get`, the first argument is always the CAR.
pub(crate) const CAR_BEFORE_PATH: &str = "The CAR file, also compressed with gzip or zstd; `-` is \
                                          standard input. Required if a PATH is given";

/// The arguments of every command that reads a CAR.
#[derive(Args, Clone, Debug)]
pub(crate) struct Input {
    /// The CAR file, also compressed with gzip or zstd; standard input if it is left out or `-`
    #[arg(value_name = "CAR", index = 1)]
    file: Option<PathBuf>,

    /// CAR is a file made with --keep. Use trusted files only: a crafted one can crash carwalk
    #[arg(long, conflicts_with = "keep", help_heading = "Input options")]
    kept: bool,

    /// Open this commit instead of the first root (see `inspect`)
    #[arg(long, value_name = "CID", value_parser = commits::cid, help_heading = "Input options")]
    commit: Option<Cid>,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    storage: Storage,
}

impl Input {
    /// Opens the repository and runs a command over it.
    pub(crate) fn run<C: Command>(&self, command: &C) -> Result<(), Failure> {
        self.run_over(command, |opened: OpenedRepo, out| match opened {
            OpenedRepo::Mapped(repo) => self.run_repo(command, &repo, out),
            OpenedRepo::InMemory(repo) => self.run_repo(command, &repo, out),
            OpenedRepo::InFile(repo) => self.run_repo(command, &repo, out),
        })
    }

    /// Opens the repository or the bare tree, and runs a command over it.
    pub(crate) fn run_tree<C: TreeCommand>(&self, command: &C) -> Result<(), Failure> {
        if !command.is_bare() {
            return self.run(command);
        }
        self.check_bare().map_err(|cause| self.failure(command, cause))?;
        self.run_over(command, |car: LoadedCar, out| {
            let root = car.root();
            command.run_bare(&self.bare_tree(car, root)?, out)
        })
    }

    /// Opens the CAR, and calls `run`.
    fn run_over<C: Command, O: Opened>(
        &self,
        command: &C,
        run: impl FnOnce(O, &mut Output) -> Result<(), Cause>,
    ) -> Result<(), Failure> {
        self.dispatch(command, run).map_err(|cause| self.failure(command, cause))
    }

    fn failure<C: Command>(&self, command: &C, cause: Cause) -> Failure {
        let (has_partial, is_binary) = (C::HAS_PARTIAL, command.is_binary());
        Failure { input: self.name(), cause, has_partial, is_binary }
    }

    fn dispatch<O: Opened>(
        &self,
        command: &impl Command,
        run: impl FnOnce(O, &mut Output) -> Result<(), Cause>,
    ) -> Result<(), Cause> {
        command.check()?;
        if command.is_binary() && io::stdout().is_terminal() {
            return Err(Cause::TERMINAL);
        }
        self.storage.check()?;
        let source = self.source()?;
        let use_of_file = self.use_of_file();
        // A kept spill file must have the whole CAR.
        let salvages = command.salvages() && !self.storage.keeps();
        let done = match command.one_pass() {
            Some(one_pass) => self.pass(command, source, &one_pass),
            None => {
                let opened = self.open(source, salvages);
                opened.and_then(|(opened, fault)| finish(fault, |out| run(opened, out)))
            }
        };
        done.map_err(|cause| cause.of_spill_file(use_of_file))
    }

    /// Returns the beginning of the message for an error of the spill file.
    fn use_of_file(&self) -> String {
        if self.kept { format!("cannot read {}", self.name()) } else { self.storage.use_of_file() }
    }

    /// Refuses options that need a commit, or a spill file of a repository.
    fn check_bare(&self) -> Result<(), Cause> {
        if self.commit.is_some() || self.reading.legacy || self.kept || self.storage.keeps() {
            return Err(Cause::Usage(
                "--bare-tree cannot be combined with --commit, --legacy, --keep or --kept",
            ));
        }
        Ok(())
    }

    /// Runs a command over a repository. Output that was written before an error is printed before
    /// it.
    fn run_repo<C: Command, S: CarStore>(
        &self,
        command: &C,
        repo: &Repo<S>,
        out: &mut Output,
    ) -> Result<(), Cause> {
        let done = command.run(repo, out);
        let flushed = out.flush();
        done.map_err(|cause| commits::hint(cause, repo, self.commit_rules()))?;
        Ok(flushed?)
    }

    fn source(&self) -> Result<Origin<'_>, Cause> {
        let Some(path) = self.file.as_deref().filter(|path| *path != Path::new("-")) else {
            if self.kept {
                return Err(Cause::Usage("--kept needs the name of a file"));
            }
            if io::stdin().is_terminal() {
                return Err(Cause::Usage(
                    "no CAR given, and standard input is a terminal; see --help",
                ));
            }
            return Ok(Origin::Stdin);
        };
        let file = File::open(path).map_err(Cause::Open)?;
        if self.kept {
            return Ok(Origin::Kept(path));
        }
        let metadata = file.metadata().map_err(Cause::Open)?;
        let (len, is_file) = (metadata.len(), metadata.is_file());
        // Some systems have files that show length 0 but return bytes, such as those in /proc.
        if !is_file || len == 0 {
            return Ok(Origin::File { file, len: Some(len).filter(|&len| len > 0) });
        }
        // On an error, reading the file fails too and reports it.
        let is_compressed = is_compressed(&file).unwrap_or(true);
        if self.reading.no_mmap || self.storage.keeps() || is_compressed {
            return Ok(Origin::File { file, len: Some(len) });
        }
        Ok(Origin::Mapped { file, len })
    }

    /// Opens a CAR. Also returns the message about the damaged part of it.
    fn open<O: Opened>(
        &self,
        source: Origin<'_>,
        salvages: bool,
    ) -> Result<(O, Option<String>), Cause> {
        match source {
            Origin::Stdin => self.read(io::stdin().lock(), None, salvages),
            Origin::File { file, len } => self.read(file, len, salvages),
            Origin::Mapped { file, len } => match map_file(&file)? {
                Some(bytes) => self.map(bytes, &file, salvages),
                None => self.read(file, Some(len), salvages),
            },
            Origin::Kept(path) => {
                let loader = self.loader(salvages).memory_limit(self.storage.cache_size());
                let opened = O::kept(&loader, path)?;
                let fault = opened.fault().map(ToString::to_string);
                Ok((opened, fault))
            }
        }
    }

    /// Loads a mapped file. Also returns the message about the damaged part of the CAR.
    fn map<O: Opened>(
        &self,
        bytes: MappedFile,
        mut file: &File,
        salvages: bool,
    ) -> Result<(O, Option<String>), Cause> {
        let progress = SharedProgress::new(Unit::Bytes, Some(bytes.as_ref().len() as u64));
        let loader = self.loader(salvages).progress(progress.follow());
        let opened = O::map(loader, bytes, self.storage.index());
        let (opened, index_stored) = opened.map_err(|error| self.explain(error, &mut file))?;
        if let Some(stored) = index_stored {
            self.storage.tell("spilled the index", stored, |note| progress.note(note));
        }
        let fault = fault_of(&opened, &mut file);
        Ok((opened, fault))
    }

    /// Reads a stream. Also returns the message about a damaged part of the CAR.
    fn read<O: Opened>(
        &self,
        source: impl Read,
        len: Option<u64>,
        salvages: bool,
    ) -> Result<(O, Option<String>), Cause> {
        let mut stream = Stream::new(source, self.limits().stream_len(), salvages)
            .map_err(carwalk::Error::from)?;
        let opened = self.load::<O>(&mut stream, len, salvages);
        if let Some(fault) = stream.fault() {
            let fault = fault.to_string();
            return match opened {
                Err(Cause::Car(_)) => Err(Cause::Invalid(fault)),
                opened => opened.map(|opened| (opened, Some(fault))),
            };
        }
        let opened = opened.map_err(|cause| match cause {
            Cause::Car(error) => self.explain(error, &mut stream),
            cause => cause,
        })?;
        let fault = fault_of(&opened, &mut stream);
        Ok((opened, fault))
    }

    /// Loads a stream into memory, and into a file from the memory limit on.
    fn load<O: Opened>(
        &self,
        stream: &mut Stream<'_>,
        len: Option<u64>,
        salvages: bool,
    ) -> Result<O, Cause> {
        // The length of compressed data does not tell that of the decompressed data.
        let len = len.filter(|_| !stream.is_compressed());
        let progress = SharedProgress::new(Unit::Bytes, len);
        let loader = self.loader(salvages).progress(progress.follow());
        let loader = loader.memory_limit(self.storage.memory_limit());
        O::load(&loader, stream, &self.storage, &progress)
    }

    /// Explains why an input was refused.
    fn explain(&self, error: Error, evidence: &mut dyn hints::Evidence) -> Cause {
        // Hints about roots do not apply to a commit that `--commit` names.
        if self.commit.is_none() || error.position().structure() != Structure::Commit {
            return hints::explain(error, evidence);
        }
        let cid = error.cid().map(|cid| format!(" {cid}")).unwrap_or_default();
        let what = match error.kind() {
            ErrorKind::MissingCommit => format!("commit{cid}: the CAR does not have this block"),
            ErrorKind::LookAlike(_) => {
                format!("block{cid}: this is a node of a tree, not a commit")
            }
            _ => error.to_string(),
        };
        let message = format!("{what} (`carwalk inspect` prints the CID of each commit)");
        Cause::Explained { error, message }
    }

    /// Returns which commits are accepted.
    pub(crate) fn commit_rules(&self) -> CommitRules {
        self.reading.commit_rules()
    }

    fn loader(&self, salvages: bool) -> Loader {
        let loader = match self.commit {
            Some(commit) => Loader::new().commit(commit),
            None => Loader::new(),
        };
        loader
            .limits(self.limits())
            .commits(self.commit_rules())
            .verification(if salvages {
                Verification::ReachedBlocks
            } else {
                Verification::EveryBlock
            })
            .salvage(salvages)
    }

    /// Returns the tree below `root`, the first root of a CAR, unless that is a commit.
    fn bare_tree<S: BlockStore>(&self, store: S, root: Cid) -> Result<Tree<S>, Cause> {
        let is_commit = store.get(&root)?.is_some_and(|block| {
            Commit::parse(root, block.bytes.as_ref(), CommitRules::Legacy).is_ok()
        });
        if is_commit {
            return Err(Cause::Invalid(format!(
                "the first root {root} is a commit, not a node of a tree: leave out --bare-tree"
            )));
        }
        Ok(self.bounded().tree_from_store(store, root))
    }

    /// Returns the loader for what is opened over loaded blocks.
    fn bounded(&self) -> BoundedLoader {
        self.loader(false).memory_limit(self.storage.memory_limit())
    }

    fn limits(&self) -> Limits {
        self.reading.limits()
    }

    fn name(&self) -> String {
        match &self.file {
            Some(path) if path != Path::new("-") => format!("{path:?}"),
            _ => "standard input".to_owned(),
        }
    }
}

/// The origin of the bytes.
enum Origin<'a> {
    Mapped {
        file: File,
        len: u64,
    },
    File {
        file: File,
        len: Option<u64>,
    },
    Stdin,
    /// A spill file that was kept.
    Kept(&'a Path),
}

/// Runs a command, after a note about the damaged part of the CAR. Output that was written before
/// an error is printed before it.
pub(crate) fn finish<E: From<io::Error>>(
    fault: Option<String>,
    run: impl FnOnce(&mut Output) -> Result<(), E>,
) -> Result<(), E> {
    let mut out = Output::new(fault.clone());
    if let Some(fault) = fault {
        out.note(format_args!("damaged from here on: {fault}"))?;
    }
    let done = run(&mut out);
    let flushed = out.flush();
    done?;
    Ok(flushed?)
}

/// Maps a file. Returns `None` if it cannot be mapped.
#[allow(unsafe_code, reason = "a file can be mapped in no other way")]
fn map_file(file: &File) -> Result<Option<MappedFile>, Cause> {
    // SAFETY: the tool does not change a file while it reads it. Another process can: `--no-mmap`
    // is for files that others write.
    unsafe { carwalk_batch::map_file(file) }.map_err(Cause::Map)
}

/// Returns the message about the damaged part of a CAR, if there is one.
fn fault_of(opened: &impl Opened, evidence: &mut dyn hints::Evidence) -> Option<String> {
    let fault = opened.fault()?;
    Some(hints::message(fault, evidence).unwrap_or_else(|| fault.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        input: Input,
    }

    fn limits(args: &[&str]) -> Limits {
        let line = Line::try_parse_from(["carwalk"].iter().chain(args)).unwrap();
        line.input.limits()
    }

    #[test]
    fn limits_are_those_of_the_library_unless_options_move_them() {
        assert_eq!(limits(&[]), Limits::default());
        assert_eq!(limits(&[]).stream_len(), 1 << 30);
        let moved = limits(&["--max-stream=2T", "--max-block=7", "--max-header=8"]);
        assert_eq!(moved.stream_len(), 2 << 40);
        assert_eq!((moved.block_len(), moved.header_len()), (7, 8));
    }
}
