//! The record that some bytes belong to, for errors.

use crate::cid::{Cid, Codec};
use crate::error::{Error, Malformed, Structure};

/// The path, CID and offset of a record, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin<'r> {
    pub(super) key: Option<&'r str>,
    pub(super) cid: Option<Cid>,
    /// The section offset in the CAR.
    pub(super) offset: Option<u64>,
}

impl Origin<'_> {
    /// Adds the record to an error.
    #[cold]
    pub(super) fn locate(&self, error: Error) -> Error {
        let mut error = error.in_structure(Structure::Record).at(self.offset);
        if let Some(cid) = self.cid {
            error = error.of_cid(cid);
        }
        match self.key {
            Some(key) => error.of_key(key.as_bytes()),
            None => error,
        }
    }

    /// Checks that the record is not raw bytes, which could look like CBOR by chance.
    pub(super) fn check_codec(&self) -> Result<(), Malformed> {
        match self.cid.map(|cid| cid.codec()) {
            Some(Codec::Raw) => {
                Err(Malformed::CidCodec { found: 0x55, expected: "0x71 (dag-cbor)" })
            }
            _ => Ok(()),
        }
    }
}
