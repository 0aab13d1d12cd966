//! `carwalk blobs`: the blobs that records refer to.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Write;

use carwalk::cid::CidText;
use carwalk::mst::{Entry, Event};
use carwalk::record::{self, Blob};
use carwalk::store::CarStore;
use carwalk::{Cid, Repo, RepoPath};
use clap::Args;
use serde::Serialize;

use crate::escape::escaped;
use crate::failure::Cause;
use crate::input::{Command, Input};
use crate::json;
use crate::keys::Keys;
use crate::output::Output;
use crate::skipped::{Skipped, Unreadable};

/// List the blobs that records refer to: CID, size, MIME type, path
#[derive(Args, Debug)]
pub(crate) struct Blobs {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Print each CID once, sorted like `LC_ALL=C sort`, and nothing else
    #[arg(long, conflicts_with = "json")]
    cids: bool,

    /// Print JSON Lines: cid, size (null if not stated), mimeType, path, legacy
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    keys: Keys,
}

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    cid: &'a str,
    size: Option<u64>,
    #[serde(rename = "mimeType")]
    mime_type: &'a str,
    path: &'a str,
    legacy: bool,
}

impl Command for Blobs {
    fn check(&self) -> Result<(), Cause> {
        self.keys.check()
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        let (mut skipped, mut cids) = (Skipped::default(), HashSet::new());
        let mut walk = repo.walk().range(self.keys.range()?).start();
        while let Some(event) = walk.next_event()? {
            out.step();
            let Event::Record { entry, block, .. } = event else { continue };
            match entry.path() {
                Err(error) => skipped.path(&error, out)?,
                Ok(path) => {
                    let listed = self.list(entry, path, block, &mut cids, out)?;
                    if let Err(why) = listed {
                        skipped.record(entry, &why, out)?;
                    }
                }
            }
        }
        write_sorted(&cids, out)?;
        skipped.into_result()
    }
}

impl Blobs {
    /// Lists the references in a record. The inner error is one of the record.
    fn list(
        &self,
        entry: Entry<'_>,
        path: RepoPath<'_>,
        record: &[u8],
        cids: &mut HashSet<Cid>,
        out: &mut Output,
    ) -> Result<Result<(), Unreadable>, Cause> {
        if let Err(why) = Unreadable::check(entry) {
            return Ok(Err(why));
        }
        for blob in record::blobs(record) {
            match blob {
                Ok(blob) if self.cids => {
                    cids.insert(blob.cid());
                }
                Ok(blob) => self.write(&blob, path, out)?,
                Err(error) => return Ok(Err(Unreadable::Error(error))),
            }
        }
        Ok(Ok(()))
    }

    fn write(&self, blob: &Blob<'_>, path: RepoPath<'_>, out: &mut Output) -> Result<(), Cause> {
        let (cid, path) = (blob.cid().to_text(), path.as_str());
        let (size, mime_type, legacy) = (blob.size(), blob.mime_type(), blob.is_legacy());
        let cid = cid.as_str();
        if self.json {
            return Ok(json::write_line(&Line { cid, size, mime_type, path, legacy }, out)?);
        }
        let mime_type = printable(mime_type);
        match size {
            Some(size) => writeln!(out, "{cid}\t{size}\t{mime_type}\t{path}")?,
            None => writeln!(out, "{cid}\t-\t{mime_type}\t{path}")?,
        }
        Ok(())
    }
}

/// Escapes a text that is not plain ASCII, which is rare among MIME types.
fn printable(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(escaped(text))
    }
}

/// Writes CIDs in the order of their texts, which is not that of their bytes: in base32 the digits
/// stand after the letters.
fn write_sorted(cids: &HashSet<Cid>, out: &mut Output) -> Result<(), Cause> {
    let mut texts: Vec<CidText> = cids.iter().map(Cid::to_text).collect();
    texts.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for text in &texts {
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
