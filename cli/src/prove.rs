//! `carwalk prove`: writes a small CAR that proves records present or absent.

use carwalk::store::{BlockStore, CarStore};
use carwalk::{ProofBuilder, Repo};
use clap::Args;

use crate::failure::Cause;
use crate::input::{CAR_BEFORE_PATH, Command, Input};
use crate::keys::Keys;
use crate::out_file::OutFile;
use crate::output::Output;
use crate::target::Target;

/// Write a CAR that proves records present or absent, or a range complete
#[derive(Args, Debug)]
#[command(mut_arg("file", |arg| arg.help(CAR_BEFORE_PATH)))]
pub(crate) struct Prove {
    #[command(flatten)]
    pub(crate) input: Input,

    /// The records: collection/rkey, or an AT URI with a DID, which must be the commit's
    #[arg(value_name = "PATH|AT-URI", index = 2)]
    targets: Vec<Target>,

    #[command(flatten)]
    out: OutFile,

    /// Leave the records out: proves the keys and the CIDs of their records
    #[arg(long)]
    no_records: bool,

    #[command(flatten)]
    keys: Keys,
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
}

impl Command for Prove {
    fn is_binary(&self) -> bool {
        self.out.is_stdout()
    }

    fn check(&self) -> Result<(), Cause> {
        if self.targets.is_empty() && !self.keys.any() {
            return Err(Cause::Usage(
                "nothing to prove: give a PATH, or a range like --collection",
            ));
        }
        self.keys.check()?;
        // An OUT that cannot be written is refused before the CAR is read.
        self.out.check()
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        for target in &self.targets {
            target.check_account(repo.commit())?;
        }
        let proof = self.request(repo)?;
        self.out.write(out, |output| proof.write(output)).map(drop)
    }
}
