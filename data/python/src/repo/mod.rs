//! A single repository.

/// Runs the same code for each type of store.
macro_rules! each {
    ($opened:expr, $repo:ident => $code:expr) => {
        match $opened {
            Opened::InPlace($repo) => $code,
            Opened::InMemory($repo) => $code,
        }
    };
}

mod bytes;
mod open;
mod records;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;

use carwalk::error::ErrorKind;
use carwalk::{Commit, VerifyingKey};
use carwalk_batch::Failure;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes};

use self::open::Opened;
use self::records::RecordIterator;
use self::walk::Taken;
use crate::errors::car_error;
use crate::record::Record;
use crate::{arguments, paths, signals};

/// What iterators and records share.
#[derive(Debug)]
pub(crate) struct Shared {
    opened: Opened,
    did: Arc<str>,
    /// The file, for messages.
    path: Option<PathBuf>,
}

impl Shared {
    fn commit(&self) -> &Commit<'static> {
        each!(&self.opened, repo => repo.commit())
    }

    fn error(&self, py: Python<'_>, failure: &Failure) -> PyErr {
        car_error(py, self.path.as_deref(), failure)
    }

    fn record(&self, py: Python<'_>, taken: Taken) -> Record {
        let (path, cid, block) = taken;
        Record::new(py, Arc::clone(&self.did), path, cid, &block)
    }
}

/// A repository: one account's records in a CAR.
///
/// `source` is a path, or a CAR as `bytes` or `bytearray`. Opening parses the CAR and its commit,
/// and verifies every block against its CID. Iterating, `get`, `count` and `verify` check the rules
/// of the tree in each node that they read. Only `verify` with a key verifies the signature.
///
/// Iterating returns `Record` objects in the order of their keys, `collection/rkey`. It copies
/// records from the CAR in pieces of at most 256 records or about 1 MiB. It ends with `CarError` at
/// the first record that is missing, or whose key is not of this form: `read` leaves out records
/// with such keys, and `count` counts them.
///
/// Memory: an index of 10 bytes per block. Files of 8 MiB and more are mapped into memory, and must
/// not be changed while the repository is open: if another process truncates one, the signal SIGBUS
/// ends this process. Smaller files, compressed ones (gzip or zstd) and pipes are held in memory.
///
/// Raises `CarError` if the CAR cannot be read or is invalid; its `path` is None if `source` is
/// bytes. Raises `ValueError` if the path is empty or has lone surrogates, and `TypeError` if
/// `source` is something else.
#[pyclass(frozen, module = "carwalk")]
#[derive(Debug)]
pub(crate) struct Repo(Arc<Shared>);

/// Where a CAR is.
enum Source {
    Path(PathBuf),
    Bytes(PyBackedBytes),
}

impl Source {
    fn of(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        if source.is_instance_of::<PyBytes>() || source.is_instance_of::<PyByteArray>() {
            return Ok(Source::Bytes(source.extract()?));
        }
        match paths::decode(source, "source")? {
            Some((_, path)) => Ok(Source::Path(path)),
            None => {
                let expected =
                    "source must be a path (str or os.PathLike) or a CAR (bytes or bytearray)";
                Err(arguments::mistyped(source, expected)?)
            }
        }
    }
}

#[pymethods]
impl Repo {
    #[new]
    #[pyo3(signature = (source, /))]
    fn new(py: Python<'_>, source: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (source, path) = match Source::of(source)? {
            Source::Path(path) => (Source::Path(path.clone()), Some(path)),
            bytes @ Source::Bytes(_) => (bytes, None),
        };
        let opened = signals::run(py, move |stop| match source {
            Source::Path(path) => open::path(&path, stop),
            Source::Bytes(bytes) => open::bytes(bytes, stop),
        })?;
        let opened = opened.map_err(|failure| car_error(py, path.as_deref(), &failure))?;
        let did = each!(&opened, repo => repo.commit().did()).into();
        Ok(Repo(Arc::new(Shared { opened, did, path })))
    }

    /// The DID of the account, from the commit.
    #[getter]
    fn did(&self) -> &str {
        &self.0.did
    }

    /// The revision, from the commit: a TID.
    #[getter]
    fn rev(&self) -> &str {
        self.0.commit().rev()
    }

    /// The CID of the commit, as text.
    #[getter]
    fn commit(&self) -> String {
        self.0.commit().cid().to_string()
    }

    /// Returns the record with the key `collection/rkey`, or None if the tree has no such key.
    ///
    /// Reads the nodes from the root of the tree to the key.
    ///
    /// Raises `CarError`: with the reason `missing` if one of these nodes or the record is missing
    /// from the CAR, with `invalid` if one of the nodes is invalid. Raises `ValueError` if `path`
    /// is not a repository path.
    #[pyo3(signature = (path, /))]
    fn get(&self, py: Python<'_>, path: &Bound<'_, PyAny>) -> PyResult<Option<Record>> {
        // Loops in C over short calls do not look at signals.
        py.check_signals()?;
        let (shared, path) = (&self.0, arguments::text(path, "path")?);
        let found = py.detach(|| each!(&shared.opened, repo => walk::get(repo, &path)));
        match found {
            Ok(taken) => Ok(taken.map(|taken| shared.record(py, taken))),
            Err(error) if matches!(error.kind(), ErrorKind::Path(_)) => {
                Err(PyValueError::new_err(error.to_string()))
            }
            Err(error) => Err(shared.error(py, &error.into())),
        }
    }

    /// Returns the number of records. Walks the tree, without looking records up.
    ///
    /// Raises `CarError` if a node of the tree is missing or invalid.
    fn count(&self, py: Python<'_>) -> PyResult<u64> {
        let shared = Arc::clone(&self.0);
        let count =
            signals::run(py, move |stop| each!(&shared.opened, repo => walk::count(repo, stop)))?;
        count.map_err(|failure| self.0.error(py, &failure))
    }

    /// Verifies the whole repository.
    ///
    /// Checks every node of the tree, that no record is missing, and that every key is a valid
    /// repository path. With `key`, also checks that the commit is signed with this key: a
    /// `did:key`, or the same without `did:key:`, which is how an account's DID document has it
    /// (`publicKeyMultibase`).
    ///
    /// Raises `CarError` if something is invalid or missing; its message names the first fault.
    /// Raises `ValueError` if `key` is not a public key.
    #[pyo3(signature = (key = None))]
    fn verify(&self, py: Python<'_>, key: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let key = key.map(|key| arguments::text(key, "key")).transpose()?;
        let key = key.map(|key| key.parse::<VerifyingKey>()).transpose();
        let key = key.map_err(|error| PyValueError::new_err(format!("key: {error}")))?;
        let shared = Arc::clone(&self.0);
        let verified = signals::run(py, move |stop| {
            if let Some(key) = &key {
                shared.commit().verify_signature(key)?;
            }
            each!(&shared.opened, repo => walk::verify(repo, stop))
        })?;
        verified.map_err(|failure| self.0.error(py, &failure))
    }

    fn __iter__(&self) -> RecordIterator {
        RecordIterator::new(Arc::clone(&self.0))
    }

    fn __repr__(&self) -> String {
        format!("<carwalk.Repo {} at {}>", self.0.did, self.0.commit().rev())
    }
}
