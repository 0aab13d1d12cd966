//! Paths in arguments.

use std::path::PathBuf;

use carwalk_batch::{Inputs, ListError, Reason, path_name};
use pyo3::exceptions::{PyTypeError, PyUnicodeEncodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::arguments::{each, mistyped};
use crate::errors::car_error_of;
use crate::signals;

/// A path as text and as the system takes it.
type Decoded<'py> = (Bound<'py, PyAny>, PathBuf);

/// The argument `paths`.
pub(crate) struct Paths<'py> {
    /// The paths as text: one text for one path, a list for several.
    pub(crate) texts: Bound<'py, PyAny>,
    list: Vec<PathBuf>,
}

impl<'py> Paths<'py> {
    /// Checks and decodes the paths.
    ///
    /// # Errors
    ///
    /// - `ValueError` if there are no paths, or as for [`decode`]
    /// - `TypeError` if there are objects that are no paths, or as for [`decode`]
    pub(crate) fn of(paths: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Some((text, path)) = decode(paths, "paths")? {
            return Ok(Paths { texts: text, list: vec![path] });
        }
        let items = each(paths, "paths must be a path (str or os.PathLike) or a list of paths")?;
        if items.is_empty() {
            return Err(PyValueError::new_err("paths is empty: there are no inputs"));
        }
        let (mut texts, mut list) = (Vec::new(), Vec::new());
        for item in &items {
            let Some((text, path)) = decode(item, "paths")? else {
                let expected = "items of paths must be paths (str, bytes or os.PathLike)";
                return Err(mistyped(item, expected)?);
            };
            texts.push(text);
            list.push(path);
        }
        Ok(Paths { texts: PyList::new(paths.py(), texts)?.into_any(), list })
    }

    /// Lists the inputs, as an export does.
    ///
    /// # Errors
    ///
    /// `CarError` if the paths are folders without CARs
    pub(crate) fn inputs(&self) -> PyResult<Inputs> {
        let (py, paths) = (self.texts.py(), self.list.clone());
        let inputs = signals::run(py, move |stop| {
            let mut inputs = Inputs::new();
            for path in paths {
                if stop.is_set() {
                    break;
                }
                inputs.add_one_of(path);
            }
            inputs
        })?;
        match inputs.check() {
            Ok(()) => Ok(inputs),
            Err(ListError::NoCars { folder }) => {
                let error = "the folder has no files named *.car, *.car.gz or *.car.zst";
                Err(car_error_of(py, Some(&path_name(&folder)), Reason::Io.name(), error))
            }
            Err(error) => Err(PyValueError::new_err(error.to_string())),
        }
    }
}

/// Decodes a path: a `str`, `bytes` or `os.PathLike`. `None` if it is something else.
///
/// # Errors
///
/// - `ValueError` if the path is empty, or has characters that no path has
/// - `TypeError` if `__fspath__` returns something else
/// - the exceptions of `__fspath__`
pub(crate) fn decode<'py>(
    object: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<Option<Decoded<'py>>> {
    let Some(path) = plain(object, name)? else { return Ok(None) };
    let text = match path.cast::<PyString>() {
        Ok(_) => path,
        Err(_) => path.py().import("os")?.call_method1("fsdecode", (path,))?,
    };
    if text.is_empty()? {
        return Err(PyValueError::new_err(format!("{name}: a path is empty")));
    }
    match text.extract::<PathBuf>() {
        Ok(path) => Ok(Some((text, path))),
        Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(text.py()) => {
            let message = format!("{name}: {} cannot be encoded as a path", text.repr()?);
            Err(PyValueError::new_err(message))
        }
        Err(error) => Err(error),
    }
}

/// Returns a path as `str` or `bytes`.
fn plain<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    if is_plain(object) {
        return Ok(Some(object.clone()));
    }
    if !object.get_type().hasattr("__fspath__")? {
        return Ok(None);
    }
    let path = object.call_method0("__fspath__")?;
    if is_plain(&path) {
        return Ok(Some(path));
    }
    let (kind, found) = (object.get_type().name()?, path.get_type().name()?);
    let message = format!("{name}: {kind}.__fspath__() must return str or bytes, not {found}");
    Err(PyTypeError::new_err(message))
}

fn is_plain(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>()
}
