//! Roots that are not the commit of a repository.

use carwalk::Error;
use carwalk::error::{LookAlike, Malformed};
use carwalk::minicbor::Decoder;
use carwalk::{ErrorKind, limits};
use carwalk_batch::header;

use super::Evidence;
use crate::escape::Quoted;

/// Most characters of a record's type that are printed: the longest NSID has 317.
const TYPE_LEN: usize = 317;

/// The message for a header without roots.
pub(super) const NO_ROOT: &str = "the header names no root: this is usually a response of \
    com.atproto.sync.getBlocks, which proves nothing; com.atproto.sync.getRepo and getRecord \
    return CARs with a commit";

const SPACE: &str = "the root is the commit of the repository of a permissioned space, which \
    needs another tool: carwalk reads public repositories only";

/// Length of the CIDs in the CARs of repositories.
const CID_LEN: usize = 36;

/// Explains a root that is missing or not a commit.
pub(super) fn what(error: &Error, evidence: &mut dyn Evidence) -> Option<String> {
    match error.kind() {
        ErrorKind::MissingCommit => is_header_alone(evidence).then(|| {
            "the CAR has a header and no blocks: it was cut, or nothing is newer than the \
             revision asked for with `since`; download it again without `since`"
                .to_owned()
        }),
        ErrorKind::LookAlike(LookAlike::BareTree) => Some(
            "the root is a node of a tree, not a commit: the CAR holds a bare tree, which no \
             account signed (see `carwalk ls --bare-tree`); com.atproto.sync.getRepo returns the \
             repository"
                .to_owned(),
        ),
        kind => {
            let told = block(kind, error.block_start()?)?;
            Some(if has_space_root(&evidence.head()) { SPACE.to_owned() } else { told })
        }
    }
}

/// Explains a root's block that is not a commit.
fn block(kind: &ErrorKind, start: &[u8]) -> Option<String> {
    // The library's message about a field's value is kept.
    let is_field_missing = matches!(kind, ErrorKind::Malformed(Malformed::FieldMissing(_)));
    let what = match start.first()? {
        0xa0..=0xbf => {
            let fields = Fields::of(start);
            match fields.told() {
                None if fields.is_other() && is_field_missing => {
                    "a map without the fields of a commit"
                }
                told => return told,
            }
        }
        0x80..=0x9f => "a list",
        _ => "a value that is not a map",
    };
    Some(not_a_commit(what))
}

fn not_a_commit(what: &str) -> String {
    format!(
        "the root is not a commit, but {what}: this CAR proves nothing; com.atproto.sync.getRepo \
         returns a repository"
    )
}

/// The message for a header whose root is a raw block.
pub(super) fn raw() -> String {
    not_a_commit("a raw block")
}

/// Returns whether nothing comes after the header.
fn is_header_alone(evidence: &mut dyn Evidence) -> bool {
    let Some((len, _)) = header::lengths(&evidence.head()) else {
        return false;
    };
    evidence.len_within(len) == Some(len)
}

/// Returns whether a root other than the first is the commit of a permissioned space. Examines only
/// blocks near the beginning.
fn has_space_root(head: &[u8]) -> bool {
    let lengths = |bytes: &[u8]| {
        let (len, prefix) = header::lengths(bytes)?;
        Some((usize::try_from(len).ok()?, prefix))
    };
    let header = lengths(head).and_then(|(len, _)| head.split_at_checked(len));
    let Some((header, mut rest)) = header else {
        return false;
    };
    while let Some((len, prefix)) = lengths(rest).filter(|&(len, _)| len > CID_LEN) {
        let section = rest.get(..len).unwrap_or(rest);
        let cid_and_block = section.get(prefix..).and_then(|bytes| bytes.split_at_checked(CID_LEN));
        let Some((cid, block)) = cid_and_block else {
            return false;
        };
        let is_root = header.windows(CID_LEN).any(|bytes| bytes == cid);
        if is_root && Fields::of(block).of_space == 3 {
            return true;
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    false
}

/// The fields of a block that identify its kind.
#[derive(Default)]
struct Fields<'b> {
    record_type: Option<&'b str>,
    is_signed: bool,
    /// The number of fields `ver`, `hash` and `ikm`.
    of_space: usize,
    /// The number of fields that a commit has.
    of_commit: usize,
    /// Whether all fields were read.
    is_whole: bool,
}

impl<'b> Fields<'b> {
    /// Reads the fields of a map up to the first error: the block may be cut.
    fn of(block: &'b [u8]) -> Self {
        let mut fields = Fields::default();
        let mut decoder = Decoder::new(block);
        // The fields before an error still count.
        let _ = fields.read(&mut decoder);
        fields
    }

    fn read(&mut self, decoder: &mut Decoder<'b>) -> Result<(), carwalk::minicbor::decode::Error> {
        let count = decoder.map()?.unwrap_or_default().min(limits::MAX_COMMIT_FIELDS as u64);
        for _ in 0..count {
            match decoder.str()? {
                "$type" => {
                    self.record_type = Some(decoder.str()?);
                    continue;
                }
                "sig" => {
                    self.is_signed = true;
                    self.of_commit = self.of_commit.saturating_add(1);
                }
                "did" | "version" | "data" | "rev" | "prev" => {
                    self.of_commit = self.of_commit.saturating_add(1);
                }
                "ver" | "hash" | "ikm" => self.of_space = self.of_space.saturating_add(1),
                _ => {}
            }
            decoder.skip()?;
        }
        self.is_whole = true;
        Ok(())
    }

    /// Returns whether the map has none of a commit's fields.
    fn is_other(&self) -> bool {
        self.is_whole && self.of_commit == 0
    }

    fn told(&self) -> Option<String> {
        match self.record_type {
            _ if self.of_space == 3 => Some(SPACE.to_owned()),
            Some(record_type) if !self.is_signed => Some(format!(
                "the root is a record of type {}, not a commit: this CAR proves nothing; \
                 com.atproto.sync.getRecord returns a record with its proof",
                Quoted(record_type, TYPE_LEN)
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_far_as_they_are_there() {
        let told = |block: &[u8]| Fields::of(block).told();
        let record = b"\xa2\x65$type\x63a.b\x66zzzzzz\x60";
        let says = told(record).unwrap();
        assert!(says.starts_with("the root is a record of type \"a.b\", "), "{says}");
        assert_eq!(told(&record[..14]).as_ref(), Some(&says));
        assert_eq!(told(&record[..9]), None);
        assert_eq!(told(b"\xa2\x63sig\x40\x65$type\x63a.b"), None);
        assert!(told(b"\xa3\x63ikm\x40\x63ver\x01\x64hash\x40").unwrap().contains("permissioned"));
        for other in [&b""[..], b"\xa2\x63ikm\x40\x63ver\x01", b"\xbf", b"\x80", b"\xa1\x61a\xff"] {
            assert_eq!(told(other), None, "{other:x?}");
        }
    }
}
