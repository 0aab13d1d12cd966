//! Errors: what is wrong, where, and with whom the blame lies.

mod kind;

use core::fmt;
use std::io;

pub use self::kind::{
    ErrorKind, KeptFault, LimitName, LookAlike, Malformed, NonCanonical, PathFault, PublicKeyFault,
    SignatureFault, TreeRule,
};
use crate::cid::Cid;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why an operation failed, with the place of the fault as far as it is known.
///
/// One word wide. [`kind`](Error::kind) says what is wrong and is there to match on; the predicates
/// sort by what to do about it; [`position`](Error::position), [`cid`](Error::cid) and
/// [`key`](Error::key) say where.
///
/// ```
/// let error = carwalk::Repo::from_slice(b"{\"error\":\"RepoNotFound\"}").unwrap_err();
/// assert!(error.is_invalid());
/// assert_eq!(error.to_string(), "CAR header at byte 0: this is JSON, not a CAR: a server's answer saved as a file?");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    structure: Structure,
    offset: Option<u64>,
    within: Option<u64>,
    cid: Option<Cid>,
    key: Option<Box<[u8]>>,
}

/// The structure of the formats in which an error was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// No structure of a CAR: a value that the caller gave, or the system.
    Value,
    /// The header of a CAR, with its length prefix.
    Header,
    /// A section of a CAR: length, CID and block.
    Section,
    /// The commit of a repository.
    Commit,
    /// A node of the tree.
    Node,
    /// A record.
    Record,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Structure::Value => "value",
            Structure::Header => "CAR header",
            Structure::Section => "section",
            Structure::Commit => "commit",
            Structure::Node => "node",
            Structure::Record => "record",
        })
    }
}

/// Where an error was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    structure: Structure,
    offset: Option<u64>,
    within: Option<u64>,
}

impl Position {
    /// The structure at fault.
    #[must_use]
    pub fn structure(&self) -> Structure {
        self.structure
    }

    /// Where the structure begins: bytes from the start of the CAR. For a block it is where its
    /// section begins.
    ///
    /// `None` where the store does not know, or where the bytes are no part of a CAR.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// Where the fault lies inside the structure: bytes from the start of the header's map, of the
    /// block, or of the section.
    #[must_use]
    pub fn within(&self) -> Option<u64> {
        self.within
    }
}

/// An open interval of keys: what lies strictly between two keys, where `None` is no bound.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyInterval<K = Box<[u8]>> {
    /// The key that all keys of the interval are above.
    pub lower: Option<K>,
    /// The key that all keys of the interval are below.
    pub upper: Option<K>,
}

impl<K: AsRef<[u8]>> KeyInterval<K> {
    /// The same interval with keys of its own.
    #[must_use]
    pub fn to_owned(&self) -> KeyInterval {
        KeyInterval {
            lower: self.lower.as_ref().map(|key| Box::from(key.as_ref())),
            upper: self.upper.as_ref().map(|key| Box::from(key.as_ref())),
        }
    }
}

/// Names the keys as texts, control characters escaped.
impl<K: AsRef<[u8]>> fmt::Debug for KeyInterval<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted =
            |key: &Option<K>| key.as_ref().map(|key| key.as_ref().escape_ascii().to_string());
        let KeyInterval { lower, upper } = self;
        f.debug_struct("KeyInterval")
            .field("lower", &quoted(lower))
            .field("upper", &quoted(upper))
            .finish()
    }
}

/// Writes `all keys`, `keys below "b"`, `keys above "a"` or `keys between "a" and "b"`, control
/// characters escaped.
impl<K: AsRef<[u8]>> fmt::Display for KeyInterval<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |key: &K| format!("\"{}\"", key.as_ref().escape_ascii());
        match (&self.lower, &self.upper) {
            (None, None) => f.write_str("all keys"),
            (None, Some(upper)) => write!(f, "keys below {}", quoted(upper)),
            (Some(lower), None) => write!(f, "keys above {}", quoted(lower)),
            (Some(lower), Some(upper)) => {
                write!(f, "keys between {} and {}", quoted(lower), quoted(upper))
            }
        }
    }
}

impl Error {
    /// An error of a store that the caller wrote, for use in its
    /// [`BlockStore`](crate::store::BlockStore).
    #[cold]
    pub fn store(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::new(ErrorKind::Store(source.into()))
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn new(kind: ErrorKind) -> Self {
        let structure = Structure::Value;
        Error(Box::new(Inner { kind, structure, offset: None, within: None, cid: None, key: None }))
    }

    #[cold]
    pub(crate) fn malformed(reason: Malformed) -> Self {
        Error::new(ErrorKind::Malformed(reason))
    }

    #[cold]
    pub(crate) fn non_canonical(reason: NonCanonical) -> Self {
        Error::new(ErrorKind::NonCanonical(reason))
    }

    #[cold]
    pub(crate) fn look_alike(what: LookAlike) -> Self {
        Error::new(ErrorKind::LookAlike(what))
    }

    #[cold]
    pub(crate) fn tree(rule: TreeRule) -> Self {
        Error::new(ErrorKind::Tree(rule))
    }

    #[cold]
    pub(crate) fn truncated(expected: u64, available: usize) -> Self {
        let available = u64::try_from(available).unwrap_or(u64::MAX);
        Error::new(ErrorKind::Truncated { expected, available })
    }

    #[cold]
    pub(crate) fn limit(limit: LimitName, max: u64, found: u64) -> Self {
        Error::new(ErrorKind::Limit { limit, max, found })
    }

    #[cfg(feature = "signature")]
    #[cold]
    pub(crate) fn public_key(fault: PublicKeyFault) -> Self {
        Error::new(ErrorKind::PublicKey(fault))
    }

    #[cfg(feature = "signature")]
    #[cold]
    pub(crate) fn signature(fault: SignatureFault) -> Self {
        Error::new(ErrorKind::Signature(fault))
    }

    /// Names the structure; the first name stays, because it was given nearest to the fault.
    #[cold]
    pub(crate) fn in_structure(mut self, structure: Structure) -> Self {
        if self.0.structure == Structure::Value {
            self.0.structure = structure;
        }
        self
    }

    #[cold]
    pub(crate) fn at(mut self, offset: Option<u64>) -> Self {
        self.0.offset = self.0.offset.or(offset);
        self
    }

    #[cold]
    pub(crate) fn within(mut self, position: usize) -> Self {
        self.0.within = self.0.within.or(u64::try_from(position).ok());
        self
    }

    #[cold]
    pub(crate) fn of_cid(mut self, cid: Cid) -> Self {
        self.0.cid = self.0.cid.or(Some(cid));
        self
    }

    #[cold]
    pub(crate) fn of_key(mut self, key: &[u8]) -> Self {
        if self.0.key.is_none() {
            self.0.key = Some(key.into());
        }
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Where it is wrong.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { structure: self.0.structure, offset: self.0.offset, within: self.0.within }
    }

    /// The CID of the block at fault, or of the block that is missing.
    #[must_use]
    pub fn cid(&self) -> Option<&Cid> {
        self.0.cid.as_ref()
    }

    /// The key at fault, or the key whose record is.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key.as_deref()
    }

    /// What is wrong, to keep; the place is lost.
    #[must_use]
    pub fn into_kind(self) -> ErrorKind {
        self.0.kind
    }

    /// True if reading, writing or the store failed: trying again may help.
    #[must_use]
    pub fn is_io(&self) -> bool {
        matches!(self.kind(), ErrorKind::Io(_) | ErrorKind::Output(_) | ErrorKind::Store(_))
    }

    /// True if the bytes end too soon: download them again.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        matches!(self.kind(), ErrorKind::Truncated { .. } | ErrorKind::LookAlike(LookAlike::Empty))
    }

    /// True if a block is not there: the CAR is partial, or was cut between two sections.
    #[must_use]
    pub fn is_missing_block(&self) -> bool {
        matches!(self.kind(), ErrorKind::Missing { .. } | ErrorKind::NoCommit)
    }

    /// True if a limit was reached that the caller can raise, or that the formats set.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self.kind(), ErrorKind::Limit { .. })
    }

    /// True if the bytes are there and wrong: whoever made them is to blame. True of each error of
    /// which none of the other predicates is.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        !(self.is_io() || self.is_truncated() || self.is_missing_block() || self.is_limit())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, structure, offset, within, cid, key } = &*self.0;
        let mut separator = "";
        if *structure != Structure::Value {
            write!(f, "{structure}")?;
            if let Some(cid) = cid {
                write!(f, " {cid}")?;
            }
            if let Some(offset) = offset {
                write!(f, " at byte {offset}")?;
            }
            separator = ": ";
        }
        write!(f, "{separator}{kind}")?;
        if let Some(within) = within {
            write!(f, ", {within} bytes into it")?;
        }
        if let Some(key) = key {
            write!(f, ", key \"{}\"", key.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, structure, offset, within, cid, key } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("structure", structure)
            .field("offset", offset)
            .field("within", within)
            .field("cid", cid)
            .field("key", &key.as_ref().map(|key| key.escape_ascii().to_string()))
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Io(source) | ErrorKind::Output(source) => Some(source),
            ErrorKind::Store(source) | ErrorKind::Decode(source) | ErrorKind::Encode(source) => {
                Some(&**source)
            }
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    #[cold]
    fn from(source: io::Error) -> Self {
        Error::new(ErrorKind::Io(source))
    }
}

/// The kind of the first I/O error among an error and its causes.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut causes = core::iter::successors(Some(error), |error| error.source());
    causes.find_map(|error| error.downcast_ref::<io::Error>().map(io::Error::kind))
}

/// Keeps the kind of an I/O error, be it the reader's, the writer's or a store's; data at fault
/// becomes `InvalidData`, truncation `UnexpectedEof`.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Io(source) | ErrorKind::Output(source) => source.kind(),
            _ if error.is_truncated() => io::ErrorKind::UnexpectedEof,
            ErrorKind::Store(source) => io_kind(&**source).unwrap_or(io::ErrorKind::Other),
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn what_was_said_nearest_to_the_fault_stays() {
        let error = Error::malformed(Malformed::VarintTooLong)
            .in_structure(Structure::Section)
            .at(Some(7))
            .in_structure(Structure::Node)
            .at(Some(9));
        assert_eq!(error.position().structure(), Structure::Section);
        assert_eq!(error.position().offset(), Some(7));
    }
}
