//! The bytes of a CAR that is not read as a stream.

use carwalk::store::MappedFile;

/// The bytes of a CAR: in the buffer of a worker, or mapped.
#[derive(Debug)]
pub(super) enum Bytes<'a> {
    /// In a buffer that the worker uses again.
    Buffer(&'a [u8]),
    /// In a mapped file.
    Mapped(MappedFile),
}

impl AsRef<[u8]> for Bytes<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Bytes::Buffer(bytes) => bytes,
            Bytes::Mapped(file) => file.as_ref(),
        }
    }
}
