//! `carwalk get`: one record, or what the CAR proves about it.

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

/// Odd things in a record that are told one by one; the rest are only counted.
const ODDITIES_TOLD: usize = 20;

/// Print one record as JSON, or say what the CAR proves about it
///
/// Looks only at the nodes on the way to the record, so the CAR may be partial, like an answer of
/// com.atproto.sync.getRecord. The exit code is 0 if the record is there, 1 if it is proven that
/// the repository has none at this path, and 4 if the CAR cannot tell, or if the record exists but
/// its block is not in the CAR. All blocks in the CAR are hashed. The commit's signature is not
/// checked: see `verify --key`. Keys that are no repo paths, which `ls --partial` lists, cannot be
/// asked for.
///
/// The JSON is that of the data model: links are {"$link": ".."}, bytes {"$bytes": ".."} in base64
/// without padding. Control characters in texts are escaped.
///
/// A record that is not of the data model is printed as well as JSON can say it, and what is odd
/// about it is told on stderr, each with its byte and its path in the record; the exit code is 0.
/// Members come as they are, even out of order; finite floats as numbers with a point or an
/// exponent. An item that JSON has no form for comes as {"$cbor": ".."}, its bytes in base64
/// without padding: other floats, undefined and other simple values, texts that are not UTF-8, tags
/// that make no link, links of another form, and maps with a repeated key, or with one that is no
/// text or is $link, $bytes or $cbor. The record as a whole may be such an item. Bytes after the
/// end are left out. If the record is no CBOR, or more than 100 levels deep, nothing is printed,
/// and the exit code is 3: --raw gives its bytes.
#[derive(Args, Debug)]
#[command(allow_missing_positional = true)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) input: Input,

    /// The record: collection/rkey, or an AT URI with a DID, which must be the commit's
    #[arg(value_name = "PATH|AT-URI", index = 2)]
    target: Target,

    /// Print the record's bytes as they are, but not to a terminal
    ///
    /// They are the whole record only if the exit code is 0.
    #[arg(long, conflicts_with_all = ["cid", "compact"])]
    raw: bool,

    /// Print the record's CID; its block need not be there
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
        // Exit code 1 means that there is no such record.
        self.account.verify(repo.commit()).map_err(Cause::Invalid)?;
        self.target.check_account(repo.commit())?;
        let path = self.target.path.as_path();
        match repo.get(path)? {
            Lookup::Present { cid, .. } if self.cid => Ok(writeln!(out, "{cid}")?),
            Lookup::Present { cid, record: Some(record) } => self.print(cid, record.bytes(), out),
            Lookup::Present { cid, record: None } => Err(Cause::Incomplete(format!(
                "the record {path} exists, but its block {cid} is missing"
            ))),
            Lookup::Absent => {
                Err(Cause::No(format!("there is no record {path}: the tree proves it")))
            }
            Lookup::Unknown(gap) => Err(Cause::Incomplete(format!(
                "cannot tell whether there is a record {path}: {gap}"
            ))),
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

/// Notes what is odd about a record, the first few oddities one by one. Returns why it has no JSON,
/// if so.
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
