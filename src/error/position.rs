//! Where an error was found.

use core::fmt;

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
    pub(super) structure: Structure,
    pub(super) offset: Option<u64>,
    pub(super) within: Option<u64>,
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
