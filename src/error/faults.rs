//! The details of error kinds, and their messages.

use thiserror::Error;

use super::counted::Counted;
use super::interval::KeyInterval;
use crate::cid::Cid;

/// Input that is often taken for a repository export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LookAlike {
    /// No bytes at all.
    #[error("the input is empty")]
    Empty,
    /// A JSON text.
    #[error("this is JSON, not a CAR: a server's answer saved as a file?")]
    Json,
    /// An HTML or XML text.
    #[error("this is HTML or XML, not a CAR: a server's answer saved as a file?")]
    Html,
    /// A gzip file.
    #[error("this is gzip data: decompress it first")]
    Gzip,
    /// A CAR of version 2.
    #[error("this is a CAR of version 2; repositories are exported as version 1")]
    CarV2,
    /// A spill file, which `Loader::from_spill_file` opens (feature `redb`).
    #[error("this is a spill file, not a CAR: it has to be opened as one")]
    SpillFile,
    /// A CAR whose root is a node of a tree instead of a commit.
    #[error("this is a node of a tree, not a commit: the CAR holds a bare tree")]
    BareTree,
}

/// A violation of the form that a format requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A varint of more than nine bytes.
    #[error("varint of more than 9 bytes")]
    VarintTooLong,
    /// The length prefix of a section is too small for a CID of 36 bytes.
    #[error("section length {found} leaves no room for a CID of 36 bytes")]
    SectionLen {
        /// The declared length.
        found: u64,
    },
    /// The length prefix of the header is zero.
    #[error("the header is empty")]
    HeaderEmpty,
    /// The header's version is not 1.
    #[error("CAR version {found}, expected 1")]
    CarVersion {
        /// The version that the header has.
        found: u64,
    },
    /// The header's list of roots is empty.
    #[error("the header names no root")]
    NoRoots,
    /// A CID that is not 36 bytes long.
    #[error("CID of {}, expected 36", Counted(*found, "byte"))]
    CidLen {
        /// Its length, in bytes.
        found: usize,
    },
    /// A CID of version 0: a bare SHA-256 multihash.
    #[error("CID of version 0, expected version 1")]
    CidVersion0,
    /// A CID of another version.
    #[error("CID of version {found}, expected 1")]
    CidVersion {
        /// The first byte.
        found: u8,
    },
    /// The codec is not allowed here.
    #[error("CID of codec {found:#04x}, expected {expected}")]
    CidCodec {
        /// The codec's byte.
        found: u8,
        /// The allowed codecs.
        expected: &'static str,
    },
    /// The hash function is not SHA-256.
    #[error("CID of hash function {found:#04x}, expected 0x12 (sha2-256)")]
    CidHash {
        /// The hash function's byte.
        found: u8,
    },
    /// A digest that is not 32 bytes long.
    #[error("CID with a digest of {}, expected 32", Counted(*found, "byte"))]
    CidDigestLen {
        /// The declared length, in bytes.
        found: u8,
    },
    /// A CID's text is not `b` and 58 characters of lower-case base32.
    #[error("not the text of a CID: expected `b` and 58 characters of lower-case base32")]
    CidText,
    /// A CBOR item of another type than expected.
    #[error("CBOR item of initial byte {found:#04x}, expected {expected}")]
    CborType {
        /// The item's first byte.
        found: u8,
        /// The expected type.
        expected: &'static str,
    },
    /// A CBOR item extends beyond the end of the CAR header or block.
    #[error(
        "CBOR item extends beyond the end: {} expected, {available} available",
        Counted(*expected, "byte")
    )]
    CborEnd {
        /// The least number of bytes that the item, or its current part, needs.
        expected: u64,
        /// The number of bytes up to the end.
        available: usize,
    },
    /// A record ends inside one of its items.
    #[error("the record ends inside the item that begins here")]
    RecordEnd,
    /// A byte that cannot begin a CBOR item, or begins one that is not allowed at this point of the
    /// record.
    #[error("this byte cannot begin a CBOR item here")]
    RecordItem,
    /// Additional information 28 to 30, which CBOR reserves.
    #[error("reserved CBOR initial byte {found:#04x}")]
    CborReserved {
        /// The item's first byte.
        found: u8,
    },
    /// An item of indefinite length, or a break.
    #[error("CBOR item of indefinite length (initial byte {found:#04x})")]
    CborIndefinite {
        /// The item's first byte.
        found: u8,
    },
    /// A tag other than 42.
    #[error("CBOR tag {found}, expected 42 or none")]
    CborTag {
        /// The tag.
        found: u64,
    },
    /// A simple value other than false, true and null.
    #[error("CBOR simple value of initial byte {found:#04x}, expected false, true or null")]
    CborSimple {
        /// The item's first byte.
        found: u8,
    },
    /// A float that is not a finite number.
    #[error("CBOR float is NaN or infinite, expected a finite number")]
    CborFloat,
    /// A text is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// Bytes follow the one item of a block or header.
    #[error(
        "{} follow{} the end",
        Counted(*found, "byte"),
        if *found == 1 { "s" } else { "" }
    )]
    Trailing {
        /// Their number.
        found: usize,
    },
    /// The byte string of a link does not begin with a zero byte.
    #[error("link does not begin with the byte 0x00")]
    LinkPrefix,
    /// The named field is required and missing.
    #[error("field `{0}` is missing")]
    FieldMissing(&'static str),
    /// Another field, or another order of fields, than the schema has.
    #[error("unexpected field, expected `{expected}`")]
    FieldExpected {
        /// The field that the schema has here.
        expected: &'static str,
    },
    /// A map with another number of fields than its schema.
    #[error("map of {}, expected {expected}", Counted(*found, "field"))]
    FieldCount {
        /// The number of fields of the schema.
        expected: usize,
        /// The number of fields of the map.
        found: usize,
    },
    /// The commit has another version than 2 and 3.
    #[error("commit of version {found}, expected 3, or 2 for a legacy commit")]
    CommitVersion {
        /// The version that the commit has.
        found: u64,
    },
    /// The commit is of version 2, or of version 3 without `prev`: only
    /// [`CommitRules::Legacy`](crate::CommitRules::Legacy) accepts it.
    #[error("legacy commit ({0}): accept legacy commits to read it")]
    LegacyCommit(&'static str),
    /// `did` is not a DID.
    #[error("`did` is not a DID")]
    Did,
    /// `rev` is not a TID.
    #[error("`rev` is not a TID")]
    Rev,
    /// A node or commit is expected, and a process function was applied to the block while loading.
    #[error(
        "a process function was applied to this block while loading, expected a commit or node"
    )]
    ProcessedNode,
    /// A `sig` that is not 64 bytes long.
    #[error("`sig` of {}, expected 64", Counted(*found, "byte"))]
    SigLen {
        /// Its length, in bytes.
        found: usize,
    },
}

/// An encoding that can be parsed but is not the canonical one of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NonCanonical {
    /// A varint with padding.
    #[error("varint is not in its shortest form")]
    VarintPadded,
    /// A CBOR integer or length with padding.
    #[error("CBOR integer or length is not in its shortest form")]
    IntegerPadded,
    /// Map keys out of order: the shorter key comes first, then bytes decide.
    #[error("map keys are not in canonical order")]
    MapOrder,
    /// The same key twice in one map.
    #[error("the same key twice in one map")]
    MapDuplicate,
    /// A float of another width than 64 bits, or negative zero.
    #[error("CBOR float is not canonical, expected 64 bits and no negative zero")]
    Float,
}

/// A rule of the Merkle Search Tree that a node breaks.
///
/// The rules are those of "MST Structure" in the [repository
/// specification](https://atproto.com/specs/repository), which does not number them. N1 to N17 are
/// numbers of carwalk's own: the [format guide](crate::guide::format#the-rules-of-the-tree) has a
/// table of them. Rules without a variant are other kinds, such as `Malformed`.
///
/// The entries of a node are counted from 0, here and in messages.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeRule {
    /// N2: the first entry of a node shares no prefix, because no key is before it.
    #[error("entry 0 has a prefix of {}, expected 0", Counted(*prefix_len, "byte"))]
    FirstPrefix {
        /// The entry's prefix length.
        prefix_len: u64,
    },
    /// N3: a prefix is no longer than the key before it.
    #[error(
        "entry {entry} has a prefix of {}, but the key before it has {previous_len}",
        Counted(*prefix_len, "byte")
    )]
    PrefixTooLong {
        /// The entry's number in its node, counted from 0.
        entry: usize,
        /// The entry's prefix length.
        prefix_len: u64,
        /// The length of the key before it.
        previous_len: usize,
    },
    /// N4: a prefix is the longest that the two keys share.
    #[error(
        "entry {entry} has a prefix of {}, but shares more with the key before it",
        Counted(*prefix_len, "byte")
    )]
    PrefixNotMaximal {
        /// The entry's number in its node, counted from 0.
        entry: usize,
        /// The entry's prefix length.
        prefix_len: usize,
    },
    /// N5: keys ascend within a node.
    #[error("entry {entry} has a key below the key before it")]
    KeyOrder {
        /// The entry's number in its node, counted from 0.
        entry: usize,
    },
    /// N6: no key occurs twice.
    #[error("entry {entry} repeats the key before it")]
    DuplicateKey {
        /// The entry's number in its node, counted from 0.
        entry: usize,
    },
    /// N7: all keys of a node are on one layer.
    #[error("entry {entry} has a key of layer {found}, but its node is of layer {expected}")]
    KeyLayer {
        /// The entry's number in its node, counted from 0.
        entry: usize,
        /// The node's layer.
        expected: u8,
        /// The key's layer.
        found: u8,
    },
    /// N8: the keys of a subtree lie strictly between the keys around its link. Two links to one
    /// node (N16) break this rule too.
    #[error("key is outside its subtree, expected {interval}")]
    KeyOutside {
        /// The interval of the subtree.
        interval: KeyInterval,
    },
    /// N9: a child is one layer below its parent.
    #[error("node of layer {found}, expected layer {expected}: one below its parent")]
    ChildLayer {
        /// The parent's layer minus one.
        expected: u8,
        /// The layer of the node's first key.
        found: u8,
    },
    /// N10: a node of layer 0 has no subtrees.
    #[error("node of layer 0 links to a subtree")]
    LinkBelowLayer0,
    /// N11: only an empty repository has a node with neither entries nor subtree.
    #[error("node has neither entries nor subtree, and is not the root")]
    EmptyNode,
    /// N12: the root node has an entry, unless the repository is empty.
    #[error("root has a subtree but no entry")]
    RootWithoutEntry,
    /// N15: keys are not empty.
    #[error("entry {entry} has an empty key")]
    EmptyKey {
        /// The entry's number in its node, counted from 0.
        entry: usize,
    },
}

/// Why CARs are not one repository: their revisions contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RevisionFault {
    /// The commit has a revision before that of the first CAR.
    #[error(
        "the commit has revision \"{}\", before \"{}\" of the first CAR",
        found.escape_debug(), first.escape_debug()
    )]
    Older {
        /// The revision of the first CAR.
        first: Box<str>,
        /// The revision of the commit.
        found: Box<str>,
    },
    /// The commit has the same revision as another commit.
    #[error("the commit has revision \"{}\", and so has commit {other}", rev.escape_debug())]
    Conflict {
        /// The revision.
        rev: Box<str>,
        /// The other commit, of an earlier CAR.
        other: Cid,
    },
}

/// Why a spill file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpillFileFault {
    /// The file is not a spill file.
    #[error("this is not a carwalk spill file")]
    NotOurs,
    /// The file has an unknown version.
    #[error("spill file of version {found}, expected 1")]
    Version {
        /// The version that the file has.
        found: u16,
    },
    /// The file was not written to its end.
    #[error("the spill file was not written to its end")]
    Incomplete,
    /// The file was changed since it was written. The text says where; quotes from the file are
    /// escaped.
    #[error("the spill file is damaged: {0}")]
    Damaged(Box<str>),
    /// The file holds processed values of records that were never hashed. Only
    /// [`Verification::DangerouslyNone`](crate::Verification::DangerouslyNone) accepts such a file.
    #[error(
        "the spill file holds processed values of records that were never hashed, accepted only \
         without verification"
    )]
    NotHashed,
    /// The store holds processed values, and the loader has no process function, or a CAR with
    /// records is to be written.
    #[error(
        "processed values are stored instead of records: only their process function reads them"
    )]
    Processed,
}

/// Why an argument was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentFault {
    /// A range of keys ends before it starts.
    #[error("the range {range} ends before it starts")]
    Range {
        /// The range, as the `Debug` of [`KeyRange`](crate::KeyRange) writes it.
        range: Box<str>,
    },
    /// The expected account is not a DID.
    #[error("not a DID: \"{}\"", found.escape_debug())]
    Did {
        /// The argument.
        found: Box<str>,
    },
    /// The CID of a commit has the codec raw.
    #[error("not the CID of a commit: {found} has the codec raw, expected dag-cbor")]
    CommitCid {
        /// The argument.
        found: Cid,
    },
    /// The length of a spill file's segments is out of range.
    #[error("segment length of {found}, expected at most {max}")]
    SegmentLen {
        /// The argument, in bytes.
        found: u32,
        /// The greatest accepted length, in bytes.
        max: u32,
    },
    /// A kept spill file was passed for a spilled index, which is of no use without its CAR.
    #[error("a spilled index cannot be kept: pass a temporary spill file")]
    KeptIndex,
    /// An empty list of CARs that should be opened as one repository.
    #[error("there is no CAR to open")]
    NoCar,
    /// A kept spill file was to be emptied for the next load.
    #[error("a spill file that is kept cannot be emptied")]
    KeptFile,
    /// An empty key.
    #[error("the key is empty")]
    EmptyKey,
    /// A key that is not above everything before it.
    #[error("the key is not above what came before it")]
    KeyOrder,
    /// An interval that is empty, or that begins before the end of what came before it.
    #[error("the interval ({found}) is empty, or not after what came before it")]
    Interval {
        /// The argument.
        found: KeyInterval,
    },
    /// A row of a diff that is not above the row before it, or has an empty key.
    #[error("the key of row {row} is empty or not above the key before it")]
    RowOrder {
        /// The number of the row, counted from 1.
        row: u64,
    },
    /// A call after one that failed.
    #[error("an earlier call failed, so the tree cannot be built")]
    BuilderFailed,
    /// A setting of the loader has no meaning for a one-pass walk.
    #[error("a one-pass walk does not support `{setting}`: load the CAR instead")]
    OnePass {
        /// The setting.
        setting: &'static str,
    },
}

/// Why a key or an argument is not a repo path, or which part of it breaks the syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathFault {
    /// A byte that is not allowed in repo paths.
    #[error(
        "repo path with the byte {found:#04x} at position {at}, \
         expected one of `A-Z a-z 0-9 . - _ : ~ /`"
    )]
    Character {
        /// The byte.
        found: u8,
        /// Its position in the path, in bytes counted from 0.
        at: usize,
    },
    /// No slash, or more than one.
    #[error("repo path with {found} slashes, expected 1 (`collection/record-key`)")]
    Slashes {
        /// The number of slashes.
        found: usize,
    },
    /// Nothing before the slash.
    #[error("repo path without a collection")]
    NoCollection,
    /// Nothing after the slash.
    #[error("repo path without a record key")]
    NoRecordKey,
    /// An `at://` URI, which has the account before the repo path.
    #[error("an at:// URI: the repo path is the part after the account, `collection/record-key`")]
    AtUri,
    /// A slash in the name of a collection.
    #[error("collection with a slash, expected only the name (`app.bsky.feed.post`)")]
    CollectionSlash,
    /// The collection is not a normalized NSID.
    #[error("collection is not a normalized NSID")]
    Nsid,
    /// The record key does not have the syntax of record keys.
    #[error("record key is not of the syntax of record keys")]
    RecordKey,
}
