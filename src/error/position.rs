//! Positions of errors.

use core::fmt;

/// The structure in which an error was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// Not in a CAR: an argument, a file, an output or a store.
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
    /// A message of the live stream.
    Message,
    /// An operation of a message.
    Operation,
}

/// Writes the name that messages use.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// let error = Repo::from_slice(b"\x00").unwrap_err();
/// assert_eq!(error.position().structure().to_string(), "CAR header");
/// assert_eq!(error.to_string(), "CAR header at byte 0: the header is empty");
/// ```
impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Structure::Value => "value",
            Structure::Header => "CAR header",
            Structure::Section => "section",
            Structure::Commit => "commit",
            Structure::Node => "node",
            Structure::Record => "record",
            Structure::Message => "message",
            Structure::Operation => "operation",
        })
    }
}

/// The position of an error: the structure, its offset in the CAR, and the position within it.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::error::Structure;
///
/// # let file: &[u8] = include_bytes!("../../samples/repo.car");
/// // The commit's version, its last byte, becomes 4. Its hash no longer matters.
/// let loader = carwalk::Loader::new().verification(carwalk::Verification::DangerouslyNone);
/// let mut car = file.to_vec();
/// assert_eq!(std::mem::replace(&mut car[284], 4), 3);
///
/// let position = loader.from_slice(&car).unwrap_err().position();
/// assert_eq!(position.structure(), Structure::Commit);
/// // The section begins at byte 59. In its block of 188 bytes, the last byte is at fault.
/// assert_eq!((position.offset(), position.within()), (Some(59), Some(187)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub(super) structure: Structure,
    pub(super) offset: Option<u64>,
    pub(super) within: Option<u64>,
}

impl Position {
    /// Returns the structure at fault.
    #[must_use]
    pub fn structure(&self) -> Structure {
        self.structure
    }

    /// Returns the offset of the structure, in bytes from the start of the CAR. For a block this is
    /// its section offset.
    ///
    /// `None` if the store does not know it, or if the bytes are not part of a CAR.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// Returns the position of the fault within the structure, in bytes from the start of the block
    /// (commit, node, record), of the section including its length prefix, or of the header without
    /// it. So `offset() + within()` is a position in the CAR only for sections.
    ///
    /// `None` if the fault has no single position.
    #[must_use]
    pub fn within(&self) -> Option<u64> {
        self.within
    }
}
