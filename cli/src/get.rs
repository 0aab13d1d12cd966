//! `carwalk get`: prints one record, or what the CAR proves about it.

use std::io::Write;

use carwalk::cid::Codec;
use carwalk::record::{self, Layout};
use carwalk::store::CarStore;
use carwalk::{Cid, Lookup, Repo};
use clap::Args;

use crate::account::Account;
use crate::failure::Cause;
use crate::input::{Command, Input};
use crate::output::Output;
use crate::skipped::reason;
use crate::target::Target;

/// Most oddities of the record that are printed one by one. The others are counted.
const ODDITIES_TOLD: usize = 20;

/// Print one record as JSON, or report that the CAR proves it absent
#[derive(Args, Debug)]
#[command(allow_missing_positional = true)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) input: Input,

    /// The record: collection/rkey, or an AT URI with a DID, which must be the commit's
    #[arg(value_name = "PATH|AT-URI", index = 2)]
    target: Target,

    /// Print the record's bytes as they are, but not to a terminal
    #[arg(long, conflicts_with_all = ["cid", "compact"])]
    raw: bool,

    /// Print the record's CID; the record's block may be missing
    #[arg(long, conflicts_with = "compact")]
    cid: bool,

    /// Print the JSON in one line
    #[arg(long)]
    compact: bool,

    #[command(flatten)]
    account: Account,
}

impl Command for Get {
    fn is_binary(&self) -> bool {
        self.raw
    }

    fn check(&self) -> Result<(), Cause> {
        self.account.check()
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        // `Invalid` and not `No`: exit code 1 means that there is no such record.
        self.account.verify(repo.commit()).map_err(Cause::Invalid)?;
        self.target.check_account(repo.commit())?;
        let path = self.target.path.as_path();
        match repo.get(path)? {
            Lookup::Present { cid, .. } if self.cid => Ok(writeln!(out, "{cid}")?),
            Lookup::Present { cid, record: Some(record) } => self.print(cid, record.bytes(), out),
            Lookup::Present { cid, record: None } => Err(Cause::Missing(format!(
                "the record {path} exists, but its block {cid} is missing"
            ))),
            Lookup::Absent => {
                Err(Cause::No(format!("there is no record {path}: the tree proves it")))
            }
            Lookup::Unknown(gap) => {
                Err(Cause::Missing(format!("cannot tell whether there is a record {path}: {gap}")))
            }
        }
    }
}

impl Get {
    fn print(&self, cid: Cid, record: &[u8], out: &mut Output) -> Result<(), Cause> {
        if self.raw {
            return Ok(out.write_all(record)?);
        }
        if cid.codec() == Codec::Raw {
            return Err(Cause::Invalid(format!(
                "the record {cid} is raw bytes, not CBOR (see --raw)"
            )));
        }
        let refusal = note_oddities(record, out)?;
        if let Some(error) = refusal {
            return Err(Cause::Invalid(format!(
                "the record {cid} cannot be printed as JSON: {} (see --raw)",
                reason(&error)
            )));
        }
        let layout = if self.compact { Layout::Compact } else { Layout::Indented };
        record::write_json(record, &mut *out, layout)?;
        Ok(out.write_all(b"\n")?)
    }
}

/// Prints the first oddities of a record and counts the others. Returns the reason if the record
/// has no JSON.
fn note_oddities(record: &[u8], out: &mut Output) -> Result<Option<carwalk::Error>, Cause> {
    let (mut notes, mut more, mut refusal) = (Vec::new(), 0_u64, None);
    for odd in record::oddities(record) {
        match odd {
            Ok(odd) if notes.len() < ODDITIES_TOLD => notes.push(odd),
            Ok(_) => more = more.saturating_add(1),
            Err(error) => refusal = Some(error),
        }
    }
    for odd in &notes {
        out.note(format_args!("odd record: {odd}"))?;
    }
    if more > 0 {
        out.note(format_args!("odd record: and {more} more"))?;
    }
    Ok(refusal)
}
