//! `carwalk prove`: a small CAR that proves what a repository has, or has not.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use carwalk::store::{BlockStore, CarStats, CarStore};
use carwalk::{Proof, Repo};
use clap::Args;

use crate::failure::Cause;
use crate::input::{Command, Input};
use crate::keys::Keys;
use crate::output::Output;
use crate::target::Target;

/// Write a CAR that proves records present or absent, or a range complete
///
/// It has the commit, the nodes on the way to each PATH and to all keys of the range, and the records, each block once, in
/// the order of the walk. `carwalk get` and `carwalk ls` answer from it as from the whole repository, `carwalk verify
/// --partial --key` checks it, and so does whoever checks answers of com.atproto.sync.getRecord. A PATH without a record is
/// proven absent. The repository may be partial itself, if it has all that the proof needs; else the exit code is 4.
///
/// Nothing is left at OUT if the proof cannot be written whole.
#[derive(Args, Debug)]
pub(crate) struct Prove {
    #[command(flatten)]
    pub(crate) input: Input,

    /// The records: collection/rkey, or an AT URI with a DID, which must be the commit's
    #[arg(value_name = "PATH|AT-URI")]
    targets: Vec<Target>,

    /// The file that is written; standard output if it is `-`
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

impl Prove {
    /// What is to be proved.
    fn request<'r, S: BlockStore>(&self, repo: &'r Repo<S>) -> Proof<'r, S> {
        let mut proof = repo.prove().records(!self.no_records);
        for target in &self.targets {
            proof = proof.key(target.path.as_path());
        }
        if self.keys.any() { proof.range(self.keys.range()) } else { proof }
    }

    /// Writes beside the file first: nobody is to take half a proof for one.
    fn write_file<S: BlockStore>(&self, proof: Proof<'_, S>) -> Result<CarStats, Cause> {
        let refused = |error| Cause::File { path: self.output.clone(), error };
        let path = match self.output.metadata() {
            // Devices and pipes are written into, never replaced.
            Ok(metadata) if !metadata.is_file() => {
                let file = File::options().write(true).open(&self.output).map_err(refused)?;
                return self.write_into(&file, proof);
            }
            // Whoever cannot have the file is told before the work.
            Ok(_) if !self.force => return Err(refused(io::ErrorKind::AlreadyExists.into())),
            Ok(_) => self.output.canonicalize().map_err(refused)?,
            Err(_) => self.output.clone(),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".carwalk-");
        // Those of any new file, not the private ones of temporary files.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder.unwrap_or(Path::new("."))).map_err(refused)?;
        let stats = self.write_into(file.as_file(), proof)?;
        let published = if self.force { file.persist(&path) } else { file.persist_noclobber(&path) };
        published.map_err(|error| refused(error.error))?;
        Ok(stats)
    }

    fn write_into<S: BlockStore>(&self, file: &File, proof: Proof<'_, S>) -> Result<CarStats, Cause> {
        proof.write(BufWriter::new(file)).map_err(|error| match Cause::from(error) {
            Cause::Output(error) => Cause::File { path: self.output.clone(), error },
            cause => cause,
        })
    }
}

impl Command for Prove {
    fn check(&self) -> Result<(), Cause> {
        if self.targets.is_empty() && !self.keys.any() {
            return Err(Cause::Usage("nothing to prove: give a PATH, or a range like --collection"));
        }
        self.keys.check()
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        for target in &self.targets {
            target.check_account(repo.commit())?;
        }
        let proof = self.request(repo);
        if self.output == Path::new("-") {
            proof.write(&mut *out)?;
            return Ok(());
        }
        let CarStats { bytes, sections, .. } = self.write_file(proof)?;
        Ok(writeln!(out, "{sections} blocks, {bytes} bytes")?)
    }
}
