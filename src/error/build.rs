//! Constructors and setters of errors, for the library itself.

use std::io;
use std::path::Path;

#[cfg(feature = "sync")]
use super::MessageFault;
#[cfg(feature = "redb")]
use super::SpillFileFault;
#[cfg(feature = "redb")]
use super::kind::SpillIo;
use super::{
    ArgumentFault, Error, ErrorClass, ErrorKind, Inner, LimitName, LookAlike, Malformed,
    NonCanonical, Structure, TreeRule,
};
#[cfg(feature = "signature")]
use super::{PublicKeyFault, SignatureFault};
use crate::cid::Cid;

/// The number of bytes of a block that an error keeps: enough for the type of nearly every record.
const BLOCK_START_LEN: usize = 16 << 10;

/// The number of bytes of a refused text that an error keeps.
const TEXT_START_LEN: usize = 256;

impl Error {
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
            input: None,
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
    pub(crate) fn argument(fault: ArgumentFault) -> Self {
        Error::new(ErrorKind::Argument(fault))
    }

    #[cfg(feature = "sync")]
    #[cold]
    pub(crate) fn message(fault: MessageFault) -> Self {
        Error::new(ErrorKind::Message(fault))
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

    /// Creates the error of a kept spill file whose contents contradict each other.
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

    /// Keeps at most `max` bytes of the key.
    #[cfg(feature = "sync")]
    #[cold]
    pub(crate) fn cut_key(mut self, max: usize) -> Self {
        let start = self.key().and_then(|key| key.get(..max)).map(Into::into);
        self.0.key = start.or_else(|| self.0.key.take());
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

    /// Sets the number of the CAR among several.
    #[cold]
    pub(crate) fn in_input(mut self, number: usize) -> Self {
        self.0.input = self.0.input.or(Some(number));
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
}
