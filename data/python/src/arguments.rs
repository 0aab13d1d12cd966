//! Arguments of calls: checked at once, with messages that name what there is.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use carwalk::{KeyRange, Verification, syntax};
use carwalk_arrow::OnFailure;
use carwalk_batch::columns::{Column, Columns};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

/// Most threads of a scan.
const MOST_THREADS: u64 = 1024;

/// Returns the columns: the default ones if none are named.
pub(crate) fn columns(names: Option<&[String]>) -> PyResult<Columns> {
    let Some(names) = names else {
        return Ok(Columns::DEFAULT);
    };
    if names.is_empty() {
        return Ok(Columns::NONE);
    }
    let unknown = names.iter().find_map(|name| name.parse::<Column>().err());
    match unknown {
        Some(unknown) => Err(PyValueError::new_err(unknown.to_string())),
        None => names.join(",").parse().map_err(invalid),
    }
}

/// Checks names of collections.
pub(crate) fn check_collections(names: &[String]) -> PyResult<()> {
    let kind = "the name of a collection (an NSID such as app.bsky.feed.post)";
    check_each(names, "collections", kind, syntax::is_nsid)
}

/// Checks DIDs.
pub(crate) fn check_dids(dids: &[String]) -> PyResult<()> {
    let kind = "a DID such as did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    check_each(dids, "dids", kind, syntax::is_did)
}

fn check_each(
    texts: &[String],
    name: &str,
    kind: &str,
    is_valid: fn(&str) -> bool,
) -> PyResult<()> {
    match texts.iter().find(|text| !is_valid(text)) {
        Some(text) => Err(PyValueError::new_err(format!("{name}: {text:?} is not {kind}"))),
        None => Ok(()),
    }
}

/// Returns the keys from `start` on and before `end`. There must be such keys, in one of the
/// collections if there are any.
pub(crate) fn range(
    start: Option<&str>,
    end: Option<&str>,
    collections: &[String],
) -> PyResult<KeyRange> {
    let from = start.map_or_else(KeyRange::all, |start| (start..).into());
    let range = end.map_or_else(|| from.clone(), |end| from.and(&(..end).into()));
    let is_outside = |name: &String| {
        KeyRange::collection(name).is_ok_and(|collection| collection.and(&range).is_empty())
    };
    let is_empty =
        range.is_empty() || !collections.is_empty() && collections.iter().all(is_outside);
    if is_empty {
        let message = "start, end and collections contradict each other: no key fits all of them";
        return Err(PyValueError::new_err(message));
    }
    Ok(range)
}

/// Returns what happens when an input fails.
pub(crate) fn on_error(object: &Bound<'_, PyAny>) -> PyResult<OnFailure> {
    match text(object, "on_error")?.as_str() {
        "fail" => Ok(OnFailure::Fail),
        "skip" => Ok(OnFailure::Skip),
        text => {
            let message = format!("on_error must be \"fail\" or \"skip\", not {text:?}");
            Err(PyValueError::new_err(message))
        }
    }
}

/// Returns which blocks are verified.
pub(crate) fn verify(object: &Bound<'_, PyAny>) -> PyResult<Verification> {
    match text(object, "verify")?.as_str() {
        "all" => Ok(Verification::EveryBlock),
        "reached" => Ok(Verification::ReachedBlocks),
        text => {
            let message = format!("verify must be \"all\" or \"reached\", not {text:?}");
            Err(PyValueError::new_err(message))
        }
    }
}

/// Returns whether a text is the name of a collection, as `read` takes it. For the engines of
/// this package.
#[pyfunction]
#[pyo3(name = "_is_nsid")]
pub(crate) fn is_nsid(text: &str) -> bool {
    syntax::is_nsid(text)
}

/// Returns whether a text is a DID, as `read` takes it. For the engines of this package.
#[pyfunction]
#[pyo3(name = "_is_did")]
pub(crate) fn is_did(text: &str) -> bool {
    syntax::is_did(text)
}

/// Returns the number of threads.
pub(crate) fn threads(number: &Bound<'_, PyAny>) -> PyResult<NonZeroUsize> {
    positive(number, "threads", MOST_THREADS)
}

/// Returns a number of rows that is not 0.
pub(crate) fn batch_size(number: &Bound<'_, PyAny>) -> PyResult<NonZeroUsize> {
    positive(number, "batch_size", u64::from(u32::MAX))
}

fn positive(number: &Bound<'_, PyAny>, name: &str, most: u64) -> PyResult<NonZeroUsize> {
    let value = usize::try_from(self::number(number, name, 1..=most)?).ok();
    let value = value.and_then(NonZeroUsize::new);
    value.ok_or_else(|| PyValueError::new_err(format!("{name} is too large for this system")))
}

/// Returns a number within bounds.
///
/// # Errors
///
/// - `ValueError` if it is out of bounds
/// - `TypeError` if it is not an `int` and has no `__index__`
/// - the exceptions of `__index__`
pub(crate) fn number(
    number: &Bound<'_, PyAny>,
    name: &str,
    bounds: RangeInclusive<u64>,
) -> PyResult<u64> {
    let number = int(number, name)?;
    match number.extract::<u64>() {
        Ok(value) if bounds.contains(&value) => return Ok(value),
        Err(error) if !error.is_instance_of::<PyOverflowError>(number.py()) => return Err(error),
        _ => {}
    }
    let ((least, most), found) = (bounds.into_inner(), digits(&number)?);
    Err(PyValueError::new_err(format!("{name} must be from {least} to {most}, not {found}")))
}

/// Returns an `int` as it is, and what `__index__` of another object returns.
fn int<'py>(number: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    if number.is_instance_of::<PyInt>() {
        return Ok(number.clone());
    }
    if !number.get_type().hasattr("__index__")? {
        return Err(mistyped(number, &format!("{name} must be an int"))?);
    }
    number.py().import("operator")?.call_method1("index", (number,))
}

/// Returns an `int` as text. Python refuses to write very long ones.
fn digits(int: &Bound<'_, PyAny>) -> PyResult<String> {
    match int.extract::<i128>() {
        Ok(value) => Ok(value.to_string()),
        Err(_) => Ok(format!("an int of {} bits", int.call_method0("bit_length")?)),
    }
}

/// Returns a text.
///
/// # Errors
///
/// - `TypeError` if it is not a `str`
/// - `ValueError` if it has lone surrogates
pub(crate) fn text(object: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    match object.cast::<PyString>() {
        Ok(text) => unicode(text, name),
        Err(_) => Err(mistyped(object, &format!("{name} must be a str"))?),
    }
}

/// Returns the texts of a list, or the one text that is given instead of a list.
pub(crate) fn texts(texts: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<String>> {
    if let Ok(text) = texts.cast::<PyString>() {
        return Ok(vec![unicode(text, name)?]);
    }
    let expected = format!("{name} must be a str or a list of str");
    let items = each(texts, &expected)?;
    let texts = items.iter().map(|item| match item.cast::<PyString>() {
        Ok(text) => unicode(text, name),
        Err(_) => Err(mistyped(item, &format!("items of {name} must be str"))?),
    });
    texts.collect()
}

fn unicode(text: &Bound<'_, PyString>, name: &str) -> PyResult<String> {
    match text.extract() {
        Ok(text) => Ok(text),
        Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(text.py()) => {
            let message = format!("{name}: {} has a lone surrogate", text.repr()?);
            Err(PyValueError::new_err(message))
        }
        Err(error) => Err(error),
    }
}

/// Returns the items of an iterable.
pub(crate) fn each<'py>(
    iterable: &Bound<'py, PyAny>,
    expected: &str,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if iterable.is_instance_of::<PyBytes>() || !iterable.hasattr("__iter__")? {
        return Err(mistyped(iterable, expected)?);
    }
    let (py, mut items) = (iterable.py(), Vec::new());
    for item in iterable.try_iter()? {
        // There can be millions, and an iterator in C has no end perhaps.
        py.check_signals()?;
        items.push(item?);
    }
    Ok(items)
}

/// Returns the error of an object of another type.
pub(crate) fn mistyped(object: &Bound<'_, PyAny>, expected: &str) -> PyResult<PyErr> {
    let kind = object.get_type().name()?;
    Ok(PyTypeError::new_err(format!("{expected}, not {kind}")))
}

fn invalid(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
