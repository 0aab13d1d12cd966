//! Errors: what is wrong, where it was found, and what a program should do about it.

mod class;
mod faults;
mod interval;
mod kind;
mod position;
mod signing;

use core::fmt;
use std::io;
use std::path::Path;

pub use self::class::ErrorClass;
pub use self::faults::{
    ArgumentFault, LookAlike, Malformed, NonCanonical, PathFault, SpillFileFault, TreeRule,
};
pub use self::interval::KeyInterval;
pub use self::kind::{ErrorKind, LimitName};
pub use self::position::{Position, Structure};
pub use self::signing::{PublicKeyFault, SignatureFault};
use crate::cid::Cid;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// The error of all operations, with the position of the fault as far as it is known.
///
/// One word wide. Programs act on the [`class`](Error::class); [`kind`](Error::kind) is the fault
/// in detail. [`path`](Error::path), [`position`](Error::position), [`cid`](Error::cid) and
/// [`key`](Error::key) locate it. The message is one line with all of these, control characters
/// escaped. The [`source`](std::error::Error::source) is the cause of an I/O or store error.
///
/// ```
/// use carwalk::{ErrorClass, Repo};
///
/// let error = Repo::from_slice(b"{\"error\":\"RepoNotFound\"}").unwrap_err();
/// assert_eq!(error.class(), ErrorClass::Invalid);
/// assert_eq!(
///     error.to_string(),
///     "CAR header at byte 0: this is JSON, not a CAR: a server's answer saved as a file?"
/// );
///
/// let error = Repo::from_path("no/such.car").unwrap_err();
/// assert_eq!(error.class(), ErrorClass::Environment);
/// assert_eq!(error.to_string(), "\"no/such.car\": reading failed");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    structure: Structure,
    offset: Option<u64>,
    within: Option<u64>,
    cid: Option<Cid>,
    key: Option<Box<[u8]>>,
    path: Option<Box<Path>>,
    block: Option<Box<[u8]>>,
}

/// Bytes of a block that an error keeps: enough for the type of nearly every record.
const BLOCK_START_LEN: usize = 16 << 10;

/// Most bytes of a refused text that are kept.
const TEXT_START_LEN: usize = 256;

impl Error {
    /// Creates an error of a store that you wrote, for use in its
    /// [`BlockStore`](crate::store::BlockStore).
    #[cold]
    pub fn store(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::new(ErrorKind::Store(source.into()))
    }

    /// Creates the error of a value that cannot be encoded, for use in an implementation of
    /// [`Value`](crate::process::Value).
    #[cold]
    pub fn encode(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::new(ErrorKind::Encode(source.into()))
    }

    /// Whatever went wrong while a value was encoded, it could not be.
    #[cold]
    pub(crate) fn into_encode(self) -> Self {
        if matches!(self.kind(), ErrorKind::Encode(_)) { self } else { Error::encode(self) }
    }

    /// The error of a store's `get`. One of the class `Caller` is about a value that the store's own
    /// code passed on, of which the caller of a walk knows nothing: to them, the store failed. The
    /// other kinds stay, since a store may pass on the errors of one of the library's.
    #[cold]
    pub(crate) fn of_store(self) -> Self {
        match (self.class(), self.kind()) {
            (_, ErrorKind::Store(_)) => self,
            (ErrorClass::Caller, _) => Error::store(self),
            _ => self,
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn new(kind: ErrorKind) -> Self {
        let structure = Structure::Value;
        Error(Box::new(Inner {
            kind,
            structure,
            offset: None,
            within: None,
            cid: None,
            key: None,
            path: None,
            block: None,
        }))
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

    #[cold]
    pub(crate) fn output(error: io::Error) -> Self {
        Error::new(ErrorKind::Output(error))
    }

    /// The spill file failed.
    #[cfg(feature = "redb")]
    #[cold]
    pub(crate) fn spill_io(error: io::Error) -> Self {
        Error::store(SpillIo(error))
    }

    #[cfg(feature = "redb")]
    #[cold]
    pub(crate) fn spill_file(fault: SpillFileFault) -> Self {
        Error::new(ErrorKind::InvalidSpillFile(fault))
    }

    /// A kept file whose contents contradict each other.
    #[cfg(feature = "redb")]
    #[cold]
    pub(crate) fn damaged(text: &str) -> Self {
        Error::spill_file(SpillFileFault::Damaged(text.into()))
    }

    /// A record's bytes, or its stored value, that do not decode.
    #[cold]
    pub(crate) fn decode(reason: &'static str) -> Self {
        Error::new(ErrorKind::Decode(reason.into()))
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

    /// Keeps the start of a text that was to be parsed.
    #[cold]
    pub(crate) fn of_text(self, text: &str) -> Self {
        let text = text.as_bytes();
        self.of_key(text.get(..TEXT_START_LEN).unwrap_or(text))
    }

    /// Names the file that was to be opened.
    #[cold]
    pub(crate) fn in_file(mut self, path: &Path) -> Self {
        if self.0.path.is_none() {
            self.0.path = Some(path.into());
        }
        self
    }

    /// Keeps the start of the block at fault.
    #[cold]
    pub(crate) fn of_block(mut self, block: &[u8]) -> Self {
        if self.0.block.is_none() {
            self.0.block = Some(block.get(..BLOCK_START_LEN).unwrap_or(block).into());
        }
        self
    }

    /// Returns what is wrong, in detail.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns the position of the fault.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { structure: self.0.structure, offset: self.0.offset, within: self.0.within }
    }

    /// Returns the CID of the block at fault, or of the missing block.
    #[must_use]
    pub fn cid(&self) -> Option<&Cid> {
        self.0.cid.as_ref()
    }

    /// Returns the key at fault, the key of the record at fault, or the refused argument: of a text
    /// that is no CID or public key at most 256 bytes.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key.as_deref()
    }

    /// Returns the file that was opened, read or written when the fault was found.
    ///
    /// That is the spill file if it is at fault, for a temporary one its folder; and else the file
    /// that was opened by its path. `None` for streams and bytes.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Returns up to 16 KiB of the block that should be the commit but is not.
    ///
    /// Not part of the message. For programs that report what the block is instead.
    ///
    /// ```
    /// use carwalk::car::Writer;
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// let record = b"\xa1\x65$type\x63a.b";
    /// let cid = Cid::of(Codec::DagCbor, record);
    /// let mut car = Writer::new(Vec::new(), &[cid])?;
    /// car.write(cid, record)?;
    /// let error = carwalk::Repo::from_slice(car.finish()?).unwrap_err();
    /// assert_eq!(error.block_start(), Some(&record[..]));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn block_start(&self) -> Option<&[u8]> {
        self.0.block.as_deref()
    }

    /// Returns the kind of the underlying I/O error, whether it came from a stream, a file or a
    /// store.
    ///
    /// ```
    /// let error = carwalk::Repo::from_path("no/such.car").unwrap_err();
    /// assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
    /// ```
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        std::error::Error::source(self).and_then(io_kind)
    }

    /// Returns whether the argument at fault is a text other than a key.
    fn is_of_text(&self) -> bool {
        let is_value = self.0.structure == Structure::Value;
        is_value && matches!(self.0.kind, ErrorKind::Malformed(_) | ErrorKind::PublicKey(_))
    }

    /// Returns what is wrong, and drops the position.
    #[must_use]
    pub fn into_kind(self) -> ErrorKind {
        self.0.kind
    }
}

/// The cause of a `Store` error: an operation on the spill file failed.
#[derive(Debug, thiserror::Error)]
#[error("the spill file failed")]
struct SpillIo(#[source] io::Error);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, structure, offset, within, cid, key, path, .. } = &*self.0;
        if let Some(path) = path {
            write!(f, "{path:?}: ")?;
        }
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
            let name = if self.is_of_text() { "text" } else { "key" };
            write!(f, ", {name} \"{}\"", key.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, structure, offset, within, cid, key, path, .. } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("structure", structure)
            .field("offset", offset)
            .field("within", within)
            .field("cid", cid)
            .field("key", &key.as_ref().map(|key| key.escape_ascii().to_string()))
            .field("path", path)
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

/// Keeps the kind of an I/O error from a stream, a file or a store. Truncation becomes
/// `UnexpectedEof`, an invalid argument `InvalidInput`, invalid input `InvalidData`.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.class() {
            ErrorClass::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorClass::Caller => io::ErrorKind::InvalidInput,
            ErrorClass::Cancelled => io::ErrorKind::Other,
            ErrorClass::Environment if matches!(error.kind(), ErrorKind::InvalidSpillFile(_)) => {
                io::ErrorKind::InvalidData
            }
            ErrorClass::Environment | ErrorClass::Io => {
                error.io_kind().unwrap_or(io::ErrorKind::Other)
            }
            ErrorClass::Invalid | ErrorClass::Missing | ErrorClass::Limit => {
                io::ErrorKind::InvalidData
            }
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
