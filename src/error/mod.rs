//! Errors: what is wrong, where it was found, and what a program should do about it.
//!
//! [`Error`] is the error type of the library. Its [`kind`](Error::kind) is the fault, its
//! [`class`](Error::class) the appropriate reaction, its [`position`](Error::position) the
//! structure and offset in the CAR. The other types of this module are the details of kinds and
//! positions.

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

/// The error of every operation: the fault, and its position as far as it is known.
///
/// One word wide. Programs act on the [`class`](Error::class); [`kind`](Error::kind) is the fault
/// in detail. [`path`](Error::path), [`position`](Error::position), [`cid`](Error::cid) and
/// [`key`](Error::key) locate it. The message is one line with all of these, control characters
/// escaped. The [`source`](std::error::Error::source) is the cause of an error of the kind `Io`,
/// `Output`, `Store`, `Decode` or `Encode`; it is not part of the message.
///
/// # Examples
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

/// The number of bytes of a block that an error keeps: enough for the type of nearly every record.
const BLOCK_START_LEN: usize = 16 << 10;

/// The number of bytes of a refused text that an error keeps.
const TEXT_START_LEN: usize = 256;

impl Error {
    /// Creates the error of a store that you wrote, for use in its
    /// [`BlockStore`](crate::store::BlockStore).
    ///
    /// The kind is `Store`, the class [`Io`](ErrorClass::Io).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::error::Error as _;
    ///
    /// let error = carwalk::Error::store("connection lost");
    /// assert_eq!(error.to_string(), "the block store or spill file failed");
    /// assert_eq!(error.source().unwrap().to_string(), "connection lost");
    /// ```
    #[cold]
    pub fn store(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::new(ErrorKind::Store(source.into()))
    }

    /// Creates the error of a value that cannot be encoded, for use in an implementation of
    /// [`Value`](crate::process::Value).
    ///
    /// The kind is `Encode`, the class [`Caller`](ErrorClass::Caller).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Error, ErrorClass, Result};
    ///
    /// /// Writes the length of a text in one byte.
    /// fn encode_len(text: &str, out: &mut Vec<u8>) -> Result<()> {
    ///     out.push(text.len().try_into().map_err(Error::encode)?);
    ///     Ok(())
    /// }
    ///
    /// let error = encode_len(&"a".repeat(256), &mut Vec::new()).unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Caller);
    /// ```
    #[cold]
    pub fn encode(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::new(ErrorKind::Encode(source.into()))
    }

    /// Converts any error of [`Value::encode`](crate::process::Value::encode) into one of the kind
    /// `Encode`.
    #[cold]
    pub(crate) fn into_encode(self) -> Self {
        if matches!(self.kind(), ErrorKind::Encode(_)) { self } else { Error::encode(self) }
    }

    /// Converts an error that a store's `get` returned. An error of the class `Caller` is about an
    /// argument inside the store, which the caller of the walk did not choose, so it becomes one of
    /// the kind `Store`. Other errors stay: a store may wrap one of the library's.
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

    /// Creates the error of an operation on the spill file.
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

    /// Creates the error of a kept file whose contents contradict each other.
    #[cfg(feature = "redb")]
    #[cold]
    pub(crate) fn damaged(text: &str) -> Self {
        Error::spill_file(SpillFileFault::Damaged(text.into()))
    }

    /// Creates the error of a record, or of its stored value, that does not decode.
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

    /// Sets the structure, if it is not set: the first is nearest to the fault.
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

    /// Keeps the start of the text that could not be parsed.
    #[cold]
    pub(crate) fn of_text(self, text: &str) -> Self {
        let text = text.as_bytes();
        self.of_key(text.get(..TEXT_START_LEN).unwrap_or(text))
    }

    /// Sets the path of the file, if it is not set.
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

    /// Returns the fault in detail.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::error::LimitName;
    /// use carwalk::{ErrorKind, Limits, Loader};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().limits(Limits::new().max_block_len(100));
    /// let error = loader.from_slice(bytes).unwrap_err();
    /// let &ErrorKind::Limit { limit, max, found } = error.kind() else { panic!("{error}") };
    /// // The first block is the commit, of 188 bytes.
    /// assert_eq!((limit, max, found), (LimitName::BlockLen, 100, 188));
    /// ```
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns the position of the fault: the structure, its offset in the CAR, and the position
    /// within it.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::error::Structure;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let cut = Repo::from_slice(&bytes[..1000]).unwrap_err();
    /// assert_eq!(cut.position().structure(), Structure::Section);
    /// assert_eq!(cut.position().offset(), Some(808));
    /// ```
    #[must_use]
    pub fn position(&self) -> Position {
        Position { structure: self.0.structure, offset: self.0.offset, within: self.0.within }
    }

    /// Returns the CID of the block at fault, or of the missing block.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorKind, Repo};
    ///
    /// # let file: &[u8] = include_bytes!("../../samples/repo.car");
    /// // The last block is the profile; one of its bits flips.
    /// let mut damaged = file.to_vec();
    /// *damaged.last_mut().unwrap() ^= 1;
    /// let error = Repo::from_slice(&damaged).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }));
    /// assert!(error.cid().unwrap().to_string().ends_with("h7mqa"));
    /// ```
    #[must_use]
    pub fn cid(&self) -> Option<&Cid> {
        self.0.cid.as_ref()
    }

    /// Returns the key at fault, the key of the record at fault, or the refused argument. Of a text
    /// that is not a CID or public key, at most 256 bytes are kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Cid, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let error = repo.get("no-slash").unwrap_err();
    /// assert_eq!(error.key(), Some(&b"no-slash"[..]));
    /// let error = "bafy".parse::<Cid>().unwrap_err();
    /// assert_eq!(error.key(), Some(&b"bafy"[..]));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key.as_deref()
    }

    /// Returns the path of the file that was opened, read or written when the fault was found.
    ///
    /// - If the spill file is at fault: its path, or the directory of a temporary one.
    /// - Otherwise: the path that the caller opened. `None` for streams and bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = carwalk::Repo::from_path("no/such.car").unwrap_err();
    /// assert_eq!(error.path(), Some("no/such.car".as_ref()));
    /// ```
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Returns up to 16 KiB of the block that the CAR's root links to, if it is not a commit.
    ///
    /// Not part of the message. For programs that report what the block is instead.
    ///
    /// # Examples
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

    /// Returns the kind of the first I/O error among the causes, whether it came from a stream, a
    /// file, an output or a store.
    ///
    /// # Examples
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

    /// Converts the error into its kind, without the position. For kinds that own their cause.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorKind, Repo};
    ///
    /// let error = Repo::from_path("no/such.car").unwrap_err();
    /// let ErrorKind::Io(cause) = error.into_kind() else { unreachable!() };
    /// assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
    /// ```
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
            write!(f, ", at byte {within} of the {structure}")?;
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

/// Converts the error of a stream: the kind is `Io`. With `?`, errors of `std::io` can be returned
/// as errors of this library.
///
/// # Examples
///
/// ```
/// use carwalk::{Error, ErrorClass};
/// use std::io;
///
/// let error = Error::from(io::Error::from(io::ErrorKind::TimedOut));
/// assert_eq!(error.class(), ErrorClass::Io);
/// ```
impl From<io::Error> for Error {
    #[cold]
    fn from(source: io::Error) -> Self {
        Error::new(ErrorKind::Io(source))
    }
}

/// Returns the kind of the first I/O error among an error and its causes.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut causes = core::iter::successors(Some(error), |error| error.source());
    causes.find_map(|error| error.downcast_ref::<io::Error>().map(io::Error::kind))
}

/// Converts into an I/O error that has this error as its source.
///
/// | class | kind of the I/O error |
/// |---|---|
/// | `Io`, `Environment` | that of the underlying I/O error; without one, `Other` |
/// | `Environment`, an invalid spill file | `InvalidData` |
/// | `Invalid`, `Missing`, `Limit` | `InvalidData` |
/// | `Truncated` | `UnexpectedEof` |
/// | `Caller` | `InvalidInput` |
/// | `Cancelled` | `Other` |
///
/// # Examples
///
/// ```
/// use std::io;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let cut = carwalk::Repo::from_slice(&bytes[..1000]).unwrap_err();
/// assert_eq!(io::Error::from(cut).kind(), io::ErrorKind::UnexpectedEof);
/// ```
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
