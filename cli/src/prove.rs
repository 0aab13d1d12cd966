//! `carwalk prove`: writes a small CAR that proves records present or absent.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};

use carwalk::store::{BlockStore, CarStore};
use carwalk::{ProofBuilder, Repo};
use clap::Args;
use tempfile::NamedTempFile;

use crate::failure::Cause;
use crate::input::{Command, Input};
use crate::keys::Keys;
use crate::output::Output;
use crate::target::Target;

/// The help of CAR. Unlike with `get`, the first of several arguments is always the CAR.
const CAR: &str = "The CAR file, also compressed with gzip or zstd; `-` is standard input. Required \
                   if a PATH is given";

/// Write a CAR that proves records present or absent, or a range complete
#[derive(Args, Debug)]
#[command(mut_arg("file", |arg| arg.help(CAR)))]
pub(crate) struct Prove {
    #[command(flatten)]
    pub(crate) input: Input,

    /// The records: collection/rkey, or an AT URI with a DID, which must be the commit's
    #[arg(value_name = "PATH|AT-URI", index = 2)]
    targets: Vec<Target>,

    /// The file to write; `-` is standard output, which must not be a terminal
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Overwrite OUT if it exists
    #[arg(long)]
    force: bool,

    /// Leave the records out: proves the keys and the CIDs of their records
    #[arg(long)]
    no_records: bool,

    #[command(flatten)]
    keys: Keys,
}

/// How OUT is written.
enum Destination {
    Stdout,
    /// Devices and pipes are written into, never replaced.
    Device,
    New,
    Replaced {
        /// The target if OUT is a symbolic link.
        path: PathBuf,
        permissions: Permissions,
    },
}

impl Prove {
    /// Returns the proof of all targets and of the range.
    fn request<'r, S: BlockStore>(
        &self,
        repo: &'r Repo<S>,
    ) -> carwalk::Result<ProofBuilder<'r, S>> {
        let mut proof = repo.prove().records(!self.no_records);
        for target in &self.targets {
            proof = proof.key(target.path.as_path());
        }
        Ok(if self.keys.any() { proof.range(self.keys.range()?) } else { proof })
    }

    /// Examines OUT.
    fn place(&self) -> io::Result<Destination> {
        if self.is_binary() {
            return Ok(Destination::Stdout);
        }
        let metadata = match self.output.metadata() {
            // A dangling symbolic link is not a new file: its target is not created.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && fs::symlink_metadata(&self.output).is_err() =>
            {
                return Ok(Destination::New);
            }
            metadata => metadata?,
        };
        match metadata.file_type() {
            kind if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            kind if !kind.is_file() => Ok(Destination::Device),
            _ if !self.force => Err(io::ErrorKind::AlreadyExists.into()),
            _ => Ok(Destination::Replaced {
                path: self.output.canonicalize()?,
                permissions: metadata.permissions(),
            }),
        }
    }

    fn refused(&self, error: io::Error) -> Cause {
        Cause::File { path: self.output.clone(), error }
    }

    fn write<S: BlockStore>(
        &self,
        proof: ProofBuilder<'_, S>,
        out: &mut Output,
    ) -> Result<(), Cause> {
        let refused = |error| self.refused(error);
        match self.place().map_err(refused)? {
            Destination::Stdout => {
                proof.write(out)?;
                Ok(())
            }
            Destination::Device => {
                let file = File::options().write(true).open(&self.output).map_err(refused)?;
                if file.is_terminal() {
                    return Err(Cause::TERMINAL);
                }
                self.write_into(&file, proof)
            }
            Destination::New => {
                let file = self.write_beside(&self.output, None, proof)?;
                file.persist_noclobber(&self.output).map(drop).map_err(|error| refused(error.error))
            }
            Destination::Replaced { path, permissions } => {
                let file = self.write_beside(&path, Some(permissions), proof)?;
                file.persist(&path).map(drop).map_err(|error| refused(error.error))
            }
        }
    }

    /// Writes a temporary file beside `path` and syncs it, so that half a proof never has the final
    /// name.
    fn write_beside<S: BlockStore>(
        &self,
        path: &Path,
        replaced: Option<Permissions>,
        proof: ProofBuilder<'_, S>,
    ) -> Result<NamedTempFile, Cause> {
        let file = new_file(path, replaced).map_err(|error| self.refused(error))?;
        self.write_into(file.as_file(), proof)?;
        file.as_file().sync_all().map_err(|error| self.refused(error))?;
        Ok(file)
    }

    fn write_into<S: BlockStore>(
        &self,
        file: &File,
        proof: ProofBuilder<'_, S>,
    ) -> Result<(), Cause> {
        proof.write(BufWriter::new(file)).map(drop).map_err(|error| match Cause::from(error) {
            Cause::Output(error) => self.refused(error),
            cause => cause,
        })
    }
}

/// Creates an empty file with a temporary name beside `path`. Its permissions are `replaced`, or
/// those of any new file.
fn new_file(path: &Path, replaced: Option<Permissions>) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".carwalk-");
    #[cfg(unix)]
    if replaced.is_none() {
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    // On other systems, permissions only say whether a file is read-only.
    if let Some(permissions) = replaced.filter(|_| cfg!(unix)) {
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}

impl Command for Prove {
    fn is_binary(&self) -> bool {
        self.output == Path::new("-")
    }

    fn check(&self) -> Result<(), Cause> {
        if self.targets.is_empty() && !self.keys.any() {
            return Err(Cause::Usage(
                "nothing to prove: give a PATH, or a range like --collection",
            ));
        }
        self.keys.check()?;
        // An OUT that cannot be written is refused before the CAR is read.
        self.place().map(drop).map_err(|error| self.refused(error))
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        for target in &self.targets {
            target.check_account(repo.commit())?;
        }
        self.write(self.request(repo)?, out)
    }
}
