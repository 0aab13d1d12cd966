//! Errors: what is wrong, where it was found, and what a program should do about it.
//!
//! [`Error`] is the error type of the library. Its [`kind`](Error::kind) is the fault, its
//! [`class`](Error::class) the appropriate reaction, its [`position`](Error::position) the
//! structure and offset in the CAR. The other types of this module are the details of kinds and
//! positions.

mod build;
mod class;
mod counted;
mod display;
mod faults;
mod interval;
mod io;
mod kind;
mod message;
mod position;
mod signing;

use std::path::Path;

pub use self::class::ErrorClass;
pub use self::faults::{
    ArgumentFault, LookAlike, Malformed, NonCanonical, PathFault, RevisionFault, SpillFileFault,
    TreeRule,
};
pub use self::interval::KeyInterval;
pub use self::kind::{ErrorKind, LimitName};
pub use self::message::MessageFault;
pub use self::position::{Position, Structure};
pub use self::signing::{PublicKeyFault, SignatureFault};
use crate::cid::Cid;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// The error of every operation: the fault, and its position as far as it is known.
///
/// Has the size of a pointer. Programs act on the [`class`](Error::class); [`kind`](Error::kind)
/// is the fault in detail. [`path`](Error::path), [`position`](Error::position),
/// [`cid`](Error::cid) and [`key`](Error::key) locate it.
///
/// The message is one line: file, structure, CID, offset, fault, position and key, as far as they
/// are known. It has no control characters. In keys, bytes outside printable ASCII, quotes and
/// backslashes are escaped.
///
/// The [`source`](std::error::Error::source) is the cause of an error of the kind `Io`, `Output`,
/// `Store`, `Decode` or `Encode`; it is not part of the message.
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
    input: Option<usize>,
}

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
    /// assert_eq!(error.to_string(), "the block store failed");
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

    /// Returns the key at fault, the key of the record at fault, or the text that is not a repo
    /// path, CID or public key.
    ///
    /// If a text cannot be parsed as a CID or public key, its first 256 bytes are kept. `None` if
    /// the fault is not about a key, and for the kind [`Argument`](ErrorKind::Argument), whose
    /// [`ArgumentFault`] has the argument.
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

    /// Returns the path of the file that was opened, read or written when the fault was found. Not
    /// the repo path, which is in [`key`](Error::key).
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

    /// Returns up to 16 KiB of the block that should be the commit, if it cannot be parsed as one.
    /// `None` otherwise.
    ///
    /// The message does not contain it. Programs can use it to report what the block is.
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

    /// Returns the number of the CAR at fault among several, counted from 0: see
    /// [`Loader::from_cars`](crate::Loader::from_cars). In a diff of two trees, 0 is the old one
    /// and 1 the new one. `None` for other errors.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::SliceStore;
    /// use carwalk::{ErrorClass, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// // Two CARs of one header each: none of them has the commit.
    /// let cars = vec![SliceStore::new(&bytes[..59])?, SliceStore::new(&bytes[..59])?];
    /// let error = Repo::from_cars(cars).unwrap_err();
    /// assert_eq!((error.class(), error.input()), (ErrorClass::Missing, Some(0)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn input(&self) -> Option<usize> {
        self.0.input
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
