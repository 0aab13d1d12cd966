//! What a program should do about an error.

use std::io;

use super::{Error, ErrorKind, LookAlike, SpillFileFault, SpillIo, Structure};

/// What a program should do about an [`Error`]: the class of its cause.
///
/// The class depends on where an error arose, not on its kind alone: an invalid path in an argument
/// is the caller's fault, one in a tree is the input's.
///
/// | class | cause | what a service does |
/// |---|---|---|
/// | `Invalid` | the input breaks a rule of a format, a hash or a signature | reports the server or account that sent it; the same bytes will fail again |
/// | `Truncated` | the input is empty or ends too early | downloads it again |
/// | `Missing` | a block is missing: the CAR is partial, or was cut between two sections | fetches the block or the whole repository, or reads with a partial walk |
/// | `Limit` | the input exceeds a limit | raises the limit, or refuses the repository |
/// | `Caller` | an argument, a public key, the loader's settings, a processed value that cannot be encoded, or a record that does not decode into the type | fixes the program; for `Decode`, the record may be odd instead: see `Record::oddities` |
/// | `Environment` | a file is not found, a name is taken, access is denied, the disk is full or read-only, for a stream, a file or an output (`Output`); a kept spill file is damaged | alerts the operator; trying again does not help |
/// | `Io` | other I/O of a stream, a file or an output (`Output`), and errors made with [`Error::store`] | tries again |
/// | `Cancelled` | the progress function ended the load | nothing |
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
    /// A block is missing.
    Missing,
    /// The input exceeds a limit.
    Limit,
    /// An argument, a public key, a setting, a processed value or a target type does not fit.
    Caller,
    /// The file system refuses (not found, permission denied, name taken, no space, read-only), or a
    /// kept spill file is not what it was.
    Environment,
    /// Other I/O of a stream, a file or an output, and every error that a store of your own makes
    /// with [`Error::store`].
    Io,
    /// The progress function ended the load.
    Cancelled,
}

impl Error {
    /// Returns the class of the error: what a program should do about it.
    ///
    /// A function that parses a value on its own, such as [`Cid::parse`](crate::Cid::parse) or
    /// [`RepoPath::parse`](crate::RepoPath::parse), cannot know where the value came from, so its
    /// errors are of the class `Caller`.
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
            ErrorKind::Truncated { .. } | ErrorKind::LookAlike(LookAlike::Empty) => {
                ErrorClass::Truncated
            }
            ErrorKind::Missing { .. } | ErrorKind::MissingCommit => ErrorClass::Missing,
            ErrorKind::Limit { .. } => ErrorClass::Limit,
            ErrorKind::Argument(_)
            | ErrorKind::PublicKey(_)
            | ErrorKind::Decode(_)
            | ErrorKind::Encode(_)
            | ErrorKind::InvalidSpillFile(SpillFileFault::Processed | SpillFileFault::NotHashed) => {
                ErrorClass::Caller
            }
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
            | ErrorKind::Signature(_) => ErrorClass::Invalid,
            // The program's own file, not what somebody sent.
            ErrorKind::InvalidSpillFile(_) => ErrorClass::Environment,
        }
    }
}

/// Returns the class of an I/O error of a file that is known by its name.
fn of_file(kind: io::ErrorKind) -> ErrorClass {
    match kind {
        // A name with a zero byte, which no file has.
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
