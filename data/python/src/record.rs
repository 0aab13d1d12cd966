//! A record of a repository.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use carwalk::{Cid, RepoPathBuf};
use carwalk_batch::row::Row;
use pyo3::exceptions::PyUnicodeDecodeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A record: an entry of a repository's tree, and its block.
///
/// Two records are equal if their `uri` and `cid` are.
#[pyclass(frozen, module = "carwalk")]
#[derive(Debug)]
pub(crate) struct Record {
    did: Arc<str>,
    path: RepoPathBuf,
    cid: Cid,
    block: Py<PyBytes>,
}

impl Record {
    /// Creates a record from its block, which is copied.
    pub(crate) fn new(
        py: Python<'_>,
        did: Arc<str>,
        path: RepoPathBuf,
        cid: Cid,
        block: &[u8],
    ) -> Self {
        Record { did, path, cid, block: PyBytes::new(py, block).unbind() }
    }
}

#[pymethods]
impl Record {
    /// The first half of the key, such as `app.bsky.feed.post`.
    #[getter]
    fn collection(&self) -> &str {
        self.path.collection()
    }

    /// The second half of the key: the record key.
    #[getter]
    fn rkey(&self) -> &str {
        self.path.record_key()
    }

    /// The address: `at://did/collection/rkey`.
    #[getter]
    fn uri(&self) -> String {
        format!("at://{}/{}", self.did, self.path)
    }

    /// The CID of the record, as text.
    #[getter]
    fn cid(&self) -> String {
        self.cid.to_string()
    }

    /// The bytes of the record's block. They should be DAG-CBOR, but this is not checked.
    #[getter]
    fn cbor(&self, py: Python<'_>) -> Py<PyBytes> {
        self.block.clone_ref(py)
    }

    /// The record as JSON in the AT Protocol's form.
    ///
    /// None if the block is not CBOR, or is nested more than 100 levels deep. Converted at each
    /// access. `json.loads` converts it into Python objects.
    #[getter]
    fn json(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let block = Some(self.block.as_bytes(py));
        let row = Row::new(&self.did, "", self.path.as_path(), self.cid, block);
        let mut json = Vec::new();
        if !row.append_record(&mut json) {
            return Ok(None);
        }
        String::from_utf8(json).map(Some).map_err(|error| {
            PyUnicodeDecodeError::new_err_from_utf8(py, error.as_bytes(), error.utf8_error())
        })
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.key().hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("<carwalk.Record {} {}>", self.uri(), self.cid)
    }
}

impl Record {
    fn key(&self) -> (&str, &str, &[u8; 36]) {
        (&self.did, self.path.as_str(), self.cid.as_bytes())
    }
}
