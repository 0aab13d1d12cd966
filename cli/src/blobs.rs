//! `carwalk blobs`: lists the blobs that records refer to.

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

use crate::escape::{escaped, is_printable_ascii};
use crate::failure::Cause;
use crate::input::{Command, Input};
use crate::json;
use crate::keys::Keys;
use crate::output::Output;
use crate::remembered::Remembered;
use crate::skipped::{Skipped, Unreadable};

/// Bytes of a long record for each byte of memory that its references may take.
const LEN_PER_ROOM: usize = 32;

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
        let (mut skipped, mut listing) = (Skipped::default(), Listing::new(self));
        let mut walk = repo.walk().range(self.keys.range()?).start();
        while let Some(event) = walk.next_event()? {
            out.step();
            let Event::Record { entry, block, .. } = event else { continue };
            match entry.path() {
                Err(error) => skipped.path(&error, out)?,
                Ok(path) => {
                    let unreadable = listing.list(entry, path, block, out)?;
                    if let Some(why) = unreadable {
                        skipped.record(entry, &why, out)?;
                    }
                }
            }
        }
        write_sorted(&listing.cids, out)?;
        skipped.into_result()
    }
}

/// A reference to a blob.
struct Reference<'a> {
    cid: Cid,
    size: Option<u64>,
    mime_type: Cow<'a, str>,
    is_legacy: bool,
}

/// The result of scanning a long record: its references, and the reason why the rest cannot be
/// read.
struct Found {
    references: Vec<Reference<'static>>,
    unreadable: Option<Unreadable>,
}

/// References of a long record that are collected for `Remembered`, as long as there is room.
struct Collected {
    references: Vec<Reference<'static>>,
    /// The remaining bytes; `None` if a reference did not fit.
    room: Option<usize>,
}

/// Lists references, or collects their CIDs.
struct Listing<'a> {
    blobs: &'a Blobs,
    cids: HashSet<Cid>,
    known: Remembered<Found>,
}

impl<'a> Listing<'a> {
    fn new(blobs: &'a Blobs) -> Self {
        Listing { blobs, cids: HashSet::new(), known: Remembered::default() }
    }

    /// Lists the references in a record. Returns the reason if the record cannot be read to its
    /// end. A long record that was seen before is not read again.
    fn list(
        &mut self,
        entry: Entry<'_>,
        path: RepoPath<'_>,
        record: &[u8],
        out: &mut Output,
    ) -> Result<Option<Unreadable>, Cause> {
        if let Err(why) = Unreadable::check(entry) {
            return Ok(Some(why));
        }
        let Listing { blobs, cids, known } = self;
        let (cid, len) = (entry.cid(), record.len());
        if let Some(found) = known.get(&cid, len) {
            for reference in &found.references {
                blobs.write(reference, path, out)?;
            }
            return Ok(found.unreadable.clone());
        }
        let (mut collected, mut unreadable) = (Collected::of(len), None);
        for blob in record::blobs(record) {
            match blob {
                Ok(blob) if blobs.cids => {
                    cids.insert(blob.cid());
                }
                Ok(blob) => {
                    let reference = Reference::of(&blob);
                    blobs.write(&reference, path, out)?;
                    collected.add(reference);
                }
                Err(error) => unreadable = Some(Unreadable::of(&error)),
            }
        }
        if let Some(references) = collected.into_references() {
            let unreadable = unreadable.clone();
            known.insert_with(cid, len, || Found { references, unreadable });
        }
        Ok(unreadable)
    }
}

impl Blobs {
    fn write(
        &self,
        reference: &Reference<'_>,
        path: RepoPath<'_>,
        out: &mut Output,
    ) -> Result<(), Cause> {
        let Reference { cid, size, ref mime_type, is_legacy: legacy } = *reference;
        let (cid, path) = (cid.to_text(), path.as_str());
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

impl<'a> Reference<'a> {
    fn of(blob: &'a Blob<'_>) -> Self {
        Reference {
            cid: blob.cid(),
            size: blob.size(),
            mime_type: Cow::Borrowed(blob.mime_type()),
            is_legacy: blob.is_legacy(),
        }
    }
}

impl Collected {
    /// Creates an empty collection for a record of `len` bytes. A record whose references take more
    /// room is read again for each entry: its output is then not much shorter than the record.
    fn of(len: usize) -> Self {
        let room = Remembered::<Found>::takes(len).then_some(len / LEN_PER_ROOM);
        Collected { references: Vec::new(), room }
    }

    fn add(&mut self, reference: Reference<'_>) {
        let len = size_of::<Reference<'_>>().saturating_add(reference.mime_type.len());
        self.room = self.room.and_then(|room| room.checked_sub(len));
        if self.room.is_some() {
            let mime_type = Cow::Owned(reference.mime_type.into_owned());
            self.references.push(Reference { mime_type, ..reference });
        }
    }

    /// Returns the references if all of them had room.
    fn into_references(self) -> Option<Vec<Reference<'static>>> {
        self.room.map(|_| self.references)
    }
}

/// Escapes a MIME type unless it is printable ASCII. Nearly all are.
fn printable(text: &str) -> Cow<'_, str> {
    if is_printable_ascii(text) { Cow::Borrowed(text) } else { Cow::Owned(escaped(text)) }
}

/// Writes CIDs in the order of their texts. It differs from the order of their bytes: in base32 the
/// values of digits come after those of letters.
fn write_sorted(cids: &HashSet<Cid>, out: &mut Output) -> Result<(), Cause> {
    let mut texts: Vec<CidText> = cids.iter().map(Cid::to_text).collect();
    texts.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for text in &texts {
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;
    use crate::testing::with_entry;

    /// A record that refers to a blob, with a byte string of `len` bytes before the reference.
    fn record(blob: &[u8], len: u16) -> Vec<u8> {
        let cid = Cid::of(carwalk::cid::Codec::Raw, blob);
        [
            &b"\xa2\x61a\x59"[..],
            &len.to_be_bytes(),
            &vec![0; usize::from(len)],
            b"\x61b\xa4\x63ref\xd8\x2a\x58\x25\x00",
            cid.as_bytes(),
            b"\x64size\x01\x65$type\x64blob\x68mimeType\x63a/b",
        ]
        .concat()
    }

    /// Lists two records under the same entry, and returns the number of blobs after each.
    fn listed(records: [Vec<u8>; 2]) -> [usize; 2] {
        let command = Blobs::augment_args(Command::new("blobs"));
        let matches = command.get_matches_from(["blobs", "--cids"]);
        let blobs = Blobs::from_arg_matches(&matches).unwrap();
        let (mut listing, mut out) = (Listing::new(&blobs), Output::new(None));
        with_entry(|entry| {
            records.map(|record| {
                listing.list(entry, entry.path().unwrap(), &record, &mut out).unwrap();
                listing.cids.len()
            })
        })
    }

    /// The second record refers to another blob, so equal counts mean that the result was
    /// remembered.
    #[test]
    fn only_a_long_record_is_read_once() {
        assert_eq!(listed([record(b"1", 5000), record(b"2", 5000)]), [1, 1]);
        assert_eq!(listed([record(b"1", 10), record(b"2", 10)]), [1, 2]);
    }
}
