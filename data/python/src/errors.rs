//! Errors as Python exceptions.

use std::path::Path;

use carwalk_arrow::{InputFailure, ScanError};
use carwalk_batch::{Failure, path_name};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// The module with the classes that are written in Python.
const MODULE: &str = "carwalk._types";

/// Returns the `CarError` of an input that failed; bytes have no path.
pub(crate) fn car_error(py: Python<'_>, path: Option<&Path>, failure: &Failure) -> PyErr {
    let name = path.map(path_name);
    car_error_of(py, name.as_deref(), failure.reason().name(), failure.message())
}

/// Returns a `CarError` with these attributes.
pub(crate) fn car_error_of(py: Python<'_>, path: Option<&str>, reason: &str, error: &str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, MODULE, "CarError");
    match class.and_then(|class| class.call1((path, reason, error))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// Returns the exception of a scan that failed.
pub(crate) fn of_scan(py: Python<'_>, error: &ScanError) -> PyErr {
    match error {
        ScanError::Input(failure) => {
            car_error_of(py, Some(&failure.path), failure.reason.name(), &failure.error)
        }
        error => PyRuntimeError::new_err(error.to_string()),
    }
}

/// Returns the exception of an argument that a scan refused.
pub(crate) fn of_argument(error: &ScanError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Returns a failure as a named tuple.
pub(crate) fn failure<'py>(py: Python<'py>, failure: &InputFailure) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let InputFailure { path, reason, error, rows, .. } = failure;
    CLASS.import(py, MODULE, "Failure")?.call1((path, reason.name(), error, rows))
}
