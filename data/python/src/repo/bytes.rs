//! The bytes of a CAR that is read in place.

use carwalk::store::MappedFile;
use pyo3::pybacked::PyBackedBytes;

/// The bytes of a CAR: those of a Python object, a file in memory, or a mapped file.
#[derive(Debug)]
pub(super) enum Bytes {
    Python(PyBackedBytes),
    Buffer(Vec<u8>),
    Mapped(MappedFile),
}

impl AsRef<[u8]> for Bytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Bytes::Python(bytes) => bytes,
            Bytes::Buffer(bytes) => bytes,
            Bytes::Mapped(file) => file.as_ref(),
        }
    }
}
