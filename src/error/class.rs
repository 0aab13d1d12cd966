//! Classes of errors: what a program should do about one.

use std::io;

use super::kind::SpillIo;
use super::{Error, ErrorKind, LookAlike, MessageFault, SpillFileFault, Structure};

/// The class of an [`Error`]: what a program should do about it.
///
/// The class depends on where an error arose, not only on its kind: an invalid path in an argument
/// is the caller's fault, one in a tree is the input's.
///
/// | class | what a service does |
/// |---|---|
/// | `Invalid` | reports the server or account: the same bytes will fail again |
/// | `Truncated` | downloads again |
/// | `Missing` | fetches the block or the whole repository, or reads with a partial walk |
/// | `Limit` | raises the limit, or refuses the repository. `OutOfOrder`: loads it |
/// | `Caller` | fixes its program |
/// | `Environment` | alerts its operator: trying again does not help |
/// | `Io` | tries again |
/// | `Cancelled` | nothing: it ended the load itself |
///
/// # Examples
///
/// ```
/// use carwalk::{ErrorClass, Repo};
///
/// fn blames_the_server(error: &carwalk::Error) -> bool {
///     match error.class() {
///         ErrorClass::Invalid | ErrorClass::Truncated | ErrorClass::Missing => true,
///         ErrorClass::Limit | ErrorClass::Caller | ErrorClass::Environment => false,
///         ErrorClass::Io | ErrorClass::Cancelled => false,
///     }
/// }
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let cut = Repo::from_slice(&bytes[..1000]).unwrap_err();
/// assert_eq!(cut.class(), ErrorClass::Truncated);
/// assert!(blames_the_server(&cut));
/// let empty = Repo::from_slice(b"").unwrap_err();
/// assert_eq!(empty.class(), ErrorClass::Truncated);
///
/// let repo = Repo::from_slice(bytes)?;
/// let typo = repo.get("app.bsky.actor.profile").unwrap_err();
/// assert_eq!(typo.class(), ErrorClass::Caller);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "so that a match over all classes is checked")]
pub enum ErrorClass {
    /// The input breaks a rule: of a format, of the tree, a hash or a signature.
    Invalid,
    /// The input is empty or ends too early.
    Truncated,
    /// A block is missing: the CAR is partial, or was cut between two sections. Or a message of the
    /// live stream does not name the tree or record before it.
    Missing,
    /// The input exceeds a limit, or a one-pass walk cannot read its block order: a load can.
    Limit,
    /// An argument, a public key or a setting is refused, a processed value cannot be encoded, or a
    /// record does not decode into the type.
    ///
    /// If the kind is `Decode`, the record may be odd instead:
    /// [`Record::oddities`](crate::Record::oddities) returns its oddities.
    Caller,
    /// The file system refuses, for a stream, a file or an output: not found, permission denied,
    /// name taken, no space, read-only, and the like. Or the file opened as a kept spill file is
    /// not one, is damaged or incomplete, or has another version.
    Environment,
    /// Other I/O errors of a stream, a file or an output, and every error that your own store makes
    /// with [`Error::store`].
    Io,
    /// The progress function ended the load.
    Cancelled,
}

impl Error {
    /// Returns the class of the error: what a program should do about it.
    ///
    /// A function that parses a CID, repo path, public key or varint on its own, such as
    /// [`Cid::parse`](crate::Cid::parse), cannot know where its argument came from, so the class is
    /// `Caller`. [`Commit::parse`](crate::Commit::parse), [`Node::parse`](crate::mst::Node::parse)
    /// and the functions of [`record`](crate::record) return errors of the class `Invalid` or
    /// `Limit`, except for `decode`, whose errors are of the class `Caller`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Cid, ErrorClass, Repo};
    ///
    /// # let file: &[u8] = include_bytes!("../../samples/repo.car");
    /// // The same fault, a CID of version 2, in an argument and in the first section of a CAR.
    /// let argument = Cid::parse(&[2; 36]).unwrap_err();
    /// let mut car = file.to_vec();
    /// car[61] = 2;
    /// let input = Repo::from_slice(&car).unwrap_err();
    /// assert_eq!((argument.class(), input.class()), (ErrorClass::Caller, ErrorClass::Invalid));
    /// ```
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        let is_argument = self.position().structure() == Structure::Value;
        match self.kind() {
            ErrorKind::Io(error) if self.path().is_some() => of_file(error.kind()),
            ErrorKind::Io(error) | ErrorKind::Output(error) => of_io(error.kind()),
            ErrorKind::Store(cause) => match cause.downcast_ref() {
                Some(SpillIo(error)) => of_file(error.kind()),
                None => ErrorClass::Io,
            },
            ErrorKind::Cancelled => ErrorClass::Cancelled,
            ErrorKind::Message(fault) => of_message(fault),
            ErrorKind::Truncated { .. } | ErrorKind::LookAlike(LookAlike::Empty) => {
                ErrorClass::Truncated
            }
            ErrorKind::Missing { .. } | ErrorKind::MissingCommit | ErrorKind::NeedsNode => {
                ErrorClass::Missing
            }
            ErrorKind::Limit { .. } | ErrorKind::OutOfOrder { .. } => ErrorClass::Limit,
            ErrorKind::Argument(_)
            | ErrorKind::PublicKey(_)
            | ErrorKind::Decode(_)
            | ErrorKind::Encode(_)
            | ErrorKind::InvalidSpillFile(SpillFileFault::Processed)
            | ErrorKind::InvalidSpillFile(SpillFileFault::NotHashed) => ErrorClass::Caller,
            ErrorKind::Path(_) | ErrorKind::Malformed(_) | ErrorKind::NonCanonical(_)
                if is_argument =>
            {
                ErrorClass::Caller
            }
            ErrorKind::Path(_)
            | ErrorKind::Malformed(_)
            | ErrorKind::NonCanonical(_)
            | ErrorKind::LookAlike(_)
            | ErrorKind::Tree(_)
            | ErrorKind::HashMismatch { .. }
            | ErrorKind::OtherAccount { .. }
            | ErrorKind::Revision(_)
            | ErrorKind::Signature(_) => ErrorClass::Invalid,
            // The program's own file, not what somebody sent.
            ErrorKind::InvalidSpillFile(_) => ErrorClass::Environment,
        }
    }
}

/// Returns the class of a fault of a message: whether something is missing.
fn of_message(fault: &MessageFault) -> ErrorClass {
    match fault {
        MessageFault::NoNeighbour | MessageFault::NoPrevData | MessageFault::NoPrev => {
            ErrorClass::Missing
        }
        _ => ErrorClass::Invalid,
    }
}

/// Returns the class of an I/O error of a file with a known path.
fn of_file(kind: io::ErrorKind) -> ErrorClass {
    match kind {
        // A path with a zero byte, which no file can have.
        io::ErrorKind::InvalidInput => ErrorClass::Caller,
        kind => of_io(kind),
    }
}

/// Returns the class of an I/O error: whether trying again can help.
fn of_io(kind: io::ErrorKind) -> ErrorClass {
    use io::ErrorKind as Kind;
    match kind {
        Kind::NotFound
        | Kind::PermissionDenied
        | Kind::AlreadyExists
        | Kind::NotADirectory
        | Kind::IsADirectory
        | Kind::InvalidFilename
        | Kind::ReadOnlyFilesystem
        | Kind::StorageFull
        | Kind::QuotaExceeded
        | Kind::FileTooLarge => ErrorClass::Environment,
        _ => ErrorClass::Io,
    }
}
