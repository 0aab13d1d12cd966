//! `read` and `files`.

use std::ffi::OsString;
use std::num::NonZeroUsize;

use carwalk_arrow::{OnFailure, Scan};
use pyo3::prelude::*;

use crate::arguments;
use crate::errors::of_argument;
use crate::paths::Paths;
use crate::records::{Call, Records};
use crate::running::Source;

/// Reads the records of repositories as rows of a table.
///
/// The call checks the arguments and lists folders. Every scan reads the same list of files, and
/// opens them again: a path that did not exist at the call may exist when a scan begins, but files
/// that are added to a folder after the call are not read. Relative paths are those of the working
/// directory at the time.
///
/// Each record is a row, except records whose key is not of the form `collection/rkey`. Rows are in
/// the order of the files, and in key order within each file.
///
/// Every block of a file is verified. With `collections`, `start`, `end` or `limit`, only the
/// blocks that the scan reads are verified, unless `verify` is `all`.
///
/// Parameters
/// ----------
/// paths
///     A file, a folder, or a list of them. In a folder and its subfolders, all files named
///     `*.car`, `*.car.gz` or `*.car.zst` are read, in byte order of their paths. Whether a file is
///     compressed with gzip or zstd is recognized by its content, not by its name.
/// columns
///     The names of columns: `did`, `rev`, `collection`, `rkey`, `cid`, `size` (of the record's
///     block, in bytes), `time` (in the record key), `created_at`, `subject`, `record` (JSON) and
///     `record_cbor` (the block). The table has them in this order, whatever the order in the
///     list. Times are in microseconds, UTC. With an empty list, batches have a number of rows and
///     no columns; DuckDB needs at least one. Only `size`, `created_at`, `subject`, `record` and
///     `record_cbor` need the records themselves. Without them, records are not looked up, and may
///     be missing from the file. Default: all but `record_cbor`.
/// collections
///     Only records of these collections, such as `app.bsky.feed.post`. Default: all.
/// dids
///     Selects repositories of these accounts. From the files of other accounts, only the commit is
///     read, if it is in the first MiB. Default: all.
/// start, end
///     Selects keys from `start` (inclusive) to `end` (exclusive), in byte order. A key is
///     `collection/rkey`. The bounds need not be complete keys: `app.bsky.feed.` is a bound too.
///     Default: all.
/// limit
///     The maximum number of rows, over all files. Default: no limit.
/// threads
///     How many files are read at a time, at most 1024. Default: as many as there are cores.
/// batch_size
///     The maximum number of rows in a batch. A batch also ends at about 16 MiB of data. Default:
///     65,536.
/// on_error
///     What happens if a file cannot be read or is invalid. `fail`: the scan ends with `CarError`.
///     The rows of the files before it are returned, and perhaps some of its own. `skip`: the file
///     is left out. None of its rows are returned, unless `collections`, `start`, `end` or `limit`
///     narrow the scan: then rows before the fault may be returned. In both cases the file is in
///     `Records.failures`, with the number of its rows that were returned. Default: `fail`.
/// verify
///     Which blocks are verified against their hashes. `all`: every block of a file, before its
///     first row is returned. `reached`: the blocks that the scan reads, when it reads them.
///     Default: `reached` if `collections`, `start`, `end` or `limit` narrow the scan, else `all`.
///
/// Returns
/// -------
/// Records
///     The table. DuckDB, Polars, pandas and pyarrow read it directly.
///
/// Raises
/// ------
/// ValueError
///     If there are no paths, or a value is not allowed: an empty path, an unknown column, a
///     malformed collection or DID, bounds that select no key, a number out of its range, a text
///     with lone surrogates.
/// TypeError
///     If an argument has the wrong type.
/// CarError
///     If all paths are folders without CARs. Other errors of files are raised by the scan.
#[pyfunction]
#[pyo3(signature = (
    paths, *, columns=None, collections=None, dids=None, start=None, end=None, limit=None,
    threads=None, batch_size=None, on_error=OnFailure::Fail, verify=None
), text_signature = "(paths, *, columns=None, collections=None, dids=None, start=None, end=None, \
    limit=None, threads=None, batch_size=65536, on_error='fail', verify=None)")]
#[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
pub(crate) fn read(
    py: Python<'_>,
    paths: &Bound<'_, PyAny>,
    columns: Option<&Bound<'_, PyAny>>,
    collections: Option<&Bound<'_, PyAny>>,
    dids: Option<&Bound<'_, PyAny>>,
    start: Option<&Bound<'_, PyAny>>,
    end: Option<&Bound<'_, PyAny>>,
    limit: Option<&Bound<'_, PyAny>>,
    threads: Option<&Bound<'_, PyAny>>,
    batch_size: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = arguments::on_error)] on_error: OnFailure,
    verify: Option<&Bound<'_, PyAny>>,
) -> PyResult<Records> {
    let columns = optional_texts(columns, "columns")?;
    let collections = optional_texts(collections, "collections")?;
    let dids = optional_texts(dids, "dids")?;
    let limit = limit.map(|limit| arguments::number(limit, "limit", 0..=u64::MAX)).transpose()?;
    let threads = threads.map(arguments::threads).transpose()?;
    let batch_size = batch_size.map(arguments::batch_size).transpose()?;
    let (start, end) = (optional_text(start, "start")?, optional_text(end, "end")?);
    let verification = verify.map(arguments::verify).transpose()?;
    let names = arguments::columns(columns.as_deref())?;
    collections.as_deref().map_or(Ok(()), arguments::check_collections)?;
    dids.as_deref().map_or(Ok(()), arguments::check_dids)?;
    let within = collections.as_deref().unwrap_or_default();
    let range = arguments::range(start.as_deref(), end.as_deref(), within)?;
    let paths = Paths::of(paths)?;

    let scan = Scan::new(paths.inputs()?).columns(names).range(range);
    let scan = scan.limit(limit).on_failure(on_error).verification(verification);
    let scan = selected(sized(scan, threads, batch_size), collections.as_deref(), dids.as_deref())?;
    let call = Call::new(py, "read", paths.texts)
        .option(py, "columns", columns)?
        .option(py, "collections", collections)?
        .option(py, "dids", dids)?
        .option(py, "start", start)?
        .option(py, "end", end)?
        .option(py, "limit", limit)?
        .option(py, "threads", threads)?
        .option(py, "batch_size", batch_size)?
        .option(py, "on_error", matches!(on_error, OnFailure::Skip).then_some("skip"))?
        .option(py, "verify", verify)?;
    Ok(Records::new(Source::Records(scan), call))
}

fn optional_texts(texts: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<Vec<String>>> {
    texts.map(|texts| arguments::texts(texts, name)).transpose()
}

fn optional_text(text: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<String>> {
    text.map(|text| arguments::text(text, name)).transpose()
}

/// Returns the files that a scan of these paths reads: their paths, and their lengths where
/// known. For the engines of this package.
#[pyfunction]
#[pyo3(name = "_inputs")]
pub(crate) fn inputs(paths: &Bound<'_, PyAny>) -> PyResult<Vec<(OsString, Option<u64>)>> {
    let inputs = Paths::of(paths)?.inputs()?;
    let files = inputs.as_slice().iter();
    Ok(files.map(|input| (input.path().as_os_str().to_owned(), input.bytes())).collect())
}

/// Sets how many threads a scan has, and how many rows its batches, unless the defaults hold.
fn sized(mut scan: Scan, threads: Option<NonZeroUsize>, rows: Option<NonZeroUsize>) -> Scan {
    if let Some(threads) = threads {
        scan = scan.threads(threads);
    }
    if let Some(rows) = rows {
        scan = scan.batch_rows(rows);
    }
    scan
}

/// Selects collections and accounts, unless all are wanted.
fn selected(
    mut scan: Scan,
    collections: Option<&[String]>,
    dids: Option<&[String]>,
) -> PyResult<Scan> {
    if let Some(collections) = collections {
        scan = scan.collections(collections).map_err(|error| of_argument(&error))?;
    }
    if let Some(dids) = dids {
        scan = scan.dids(dids);
    }
    Ok(scan)
}

/// Verifies files. Returns a table with one row per file, valid or not.
///
/// The columns are `path`, `bytes` (the length of the file at the call, null for pipes and for
/// files that did not exist then), `outcome` (`done` or `failed`), `reason` and `error` (null
/// unless it failed), `did`, `rev`, `commit` (the CID of the commit) and `records` (the number of
/// records). A file is `done` if `Repo.verify` would accept it; signatures are not verified. The
/// call lists folders, and every scan reads the files again: see `read`.
///
/// Parameters
/// ----------
/// paths
///     A file or folder, or a list of them: see `read`.
/// threads
///     How many files are read at a time, at most 1024. Default: as many as there are cores.
///
/// Returns
/// -------
/// Records
///     The table. A file that fails is a row, not an error, so `Records.failures` is empty.
///
/// Raises
/// ------
/// ValueError
///     If there are no paths, a path is empty or has lone surrogates, or the number of threads is
///     out of its range.
/// TypeError
///     If an argument has the wrong type.
/// CarError
///     If all paths are folders without CARs.
#[pyfunction]
#[pyo3(signature = (paths, *, threads=None))]
pub(crate) fn files(
    py: Python<'_>,
    paths: &Bound<'_, PyAny>,
    threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Records> {
    let threads = threads.map(arguments::threads).transpose()?;
    let paths = Paths::of(paths)?;
    let scan = sized(Scan::new(paths.inputs()?), threads, None);
    let call = Call::new(py, "files", paths.texts).option(py, "threads", threads)?;
    Ok(Records::new(Source::Files(scan), call))
}
