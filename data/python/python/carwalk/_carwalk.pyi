from collections.abc import Iterable, Iterator
from os import PathLike
from typing import Any, Literal, SupportsIndex, TypeAlias, final

from carwalk._types import Failure

__all__ = [
    "Batch",
    "Record",
    "Records",
    "Repo",
    "_inputs",
    "_is_did",
    "_is_nsid",
    "_scans_begun",
    "files",
    "read",
]

_Path: TypeAlias = str | PathLike[str] | PathLike[bytes]
_Paths: TypeAlias = _Path | bytes | Iterable[_Path | bytes]
_Texts: TypeAlias = str | Iterable[str]
# A PyCapsule, which Python 3.13 has a name for.
_Capsule: TypeAlias = Any

def read(
    paths: _Paths,
    *,
    columns: _Texts | None = None,
    collections: _Texts | None = None,
    dids: _Texts | None = None,
    start: str | None = None,
    end: str | None = None,
    limit: SupportsIndex | None = None,
    threads: SupportsIndex | None = None,
    batch_size: SupportsIndex = 65536,
    on_error: Literal["fail", "skip"] = "fail",
    verify: Literal["all", "reached"] | None = None,
) -> Records:
    """Reads the records of repositories as rows of a table.

    The call checks the arguments and lists folders. Every scan reads the same list of files, and
    opens them again: a path that did not exist at the call may exist when a scan begins, but files
    that are added to a folder after the call are not read. Relative paths are those of the working
    directory at the time.

    Each record is a row, except records whose key is not of the form `collection/rkey`. Rows are in
    the order of the files, and in key order within each file.

    Every block of a file is verified. With `collections`, `start`, `end` or `limit`, only the
    blocks that the scan reads are verified, unless `verify` is `all`.

    Parameters
    ----------
    paths
        A file, a folder, or a list of them. In a folder and its subfolders, all files named
        `*.car`, `*.car.gz` or `*.car.zst` are read, in byte order of their paths. Whether a file is
        compressed with gzip or zstd is recognized by its content, not by its name.
    columns
        The names of columns: `did`, `rev`, `collection`, `rkey`, `cid`, `size` (of the record's
        block, in bytes), `time` (in the record key), `created_at`, `subject`, `record` (JSON) and
        `record_cbor` (the block). The table has them in this order, whatever the order in the
        list. Times are in microseconds, UTC. With an empty list, batches have a number of rows and
        no columns; DuckDB needs at least one. Only `size`, `created_at`, `subject`, `record` and
        `record_cbor` need the records themselves. Without them, records are not looked up, and may
        be missing from the file. Default: all but `record_cbor`.
    collections
        Only records of these collections, such as `app.bsky.feed.post`. Default: all.
    dids
        Selects repositories of these accounts. From the files of other accounts, only the commit is
        read, if it is in the first MiB. Default: all.
    start, end
        Selects keys from `start` (inclusive) to `end` (exclusive), in byte order. A key is
        `collection/rkey`. The bounds need not be complete keys: `app.bsky.feed.` is a bound too.
        Default: all.
    limit
        The maximum number of rows, over all files. Default: no limit.
    threads
        How many files are read at a time, at most 1024. Default: as many as there are cores.
    batch_size
        The maximum number of rows in a batch. A batch also ends at about 16 MiB of data. Default:
        65,536.
    on_error
        What happens if a file cannot be read or is invalid. `fail`: the scan ends with `CarError`.
        The rows of the files before it are returned, and perhaps some of its own. `skip`: the file
        is left out. None of its rows are returned, unless `collections`, `start`, `end` or `limit`
        narrow the scan: then rows before the fault may be returned. In both cases the file is in
        `Records.failures`, with the number of its rows that were returned. Default: `fail`.
    verify
        Which blocks are verified against their hashes. `all`: every block of a file, before its
        first row is returned. `reached`: the blocks that the scan reads, when it reads them.
        Default: `reached` if `collections`, `start`, `end` or `limit` narrow the scan, else `all`.

    Returns
    -------
    Records
        The table. DuckDB, Polars, pandas and pyarrow read it directly.

    Raises
    ------
    ValueError
        If there are no paths, or a value is not allowed: an empty path, an unknown column, a
        malformed collection or DID, bounds that select no key, a number out of its range, a text
        with lone surrogates.
    TypeError
        If an argument has the wrong type.
    CarError
        If all paths are folders without CARs. Other errors of files are raised by the scan.
    """

def files(paths: _Paths, *, threads: SupportsIndex | None = None) -> Records:
    """Verifies files. Returns a table with one row per file, valid or not.

    The columns are `path`, `bytes` (the length of the file at the call, null for pipes and for
    files that did not exist then), `outcome` (`done` or `failed`), `reason` and `error` (null
    unless it failed), `did`, `rev`, `commit` (the CID of the commit) and `records` (the number of
    records). A file is `done` if `Repo.verify` would accept it; signatures are not verified. The
    call lists folders, and every scan reads the files again: see `read`.

    Parameters
    ----------
    paths
        A file or folder, or a list of them: see `read`.
    threads
        How many files are read at a time, at most 1024. Default: as many as there are cores.

    Returns
    -------
    Records
        The table. A file that fails is a row, not an error, so `Records.failures` is empty.

    Raises
    ------
    ValueError
        If there are no paths, a path is empty or has lone surrogates, or the number of threads is
        out of its range.
    TypeError
        If an argument has the wrong type.
    CarError
        If all paths are folders without CARs.
    """

def _inputs(paths: _Paths) -> list[tuple[str, int | None]]:
    """Returns the files that a scan of these paths reads: their paths, and their lengths where
    known. For the engines of this package."""

def _is_did(text: str) -> bool:
    """Returns whether a text is a DID, as `read` takes it. For the engines of this package."""

def _is_nsid(text: str) -> bool:
    """Returns whether a text is the name of a collection, as `read` takes it. For the engines of
    this package."""

def _scans_begun() -> int:
    """Returns how many scans have begun in this process. For tests."""

@final
class Records:
    """A table whose rows are read from files on demand, as Arrow data.

    `read` and `files` return it. It is converted by `polars.DataFrame(records)`,
    `pandas.DataFrame.from_arrow(records)` and `pyarrow.table(records)`. In a query, DuckDB finds
    the variable by its name.

    Every consumer and every iteration is a new scan of the files that the call listed. A scan
    begins when its first batch is requested. Pickling stores the arguments of the call, and
    unpickling repeats the call: it lists folders again.

    Iterating returns `Batch` objects. It raises `CarError` for the first input that fails, unless
    `on_error` is `skip`, and `RuntimeError` for other failures. Consumers of the Arrow stream raise
    their own errors with the same text.
    """

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in their order."""
    @property
    def failures(self) -> list[Failure]:
        """The failed inputs of the last scan, in the order of the inputs.

        During a scan, the failures so far. Each is a named tuple `Failure`.
        """
    def __iter__(self) -> Iterator[Batch]: ...
    def __arrow_c_schema__(self) -> _Capsule:
        """Returns the schema: a PyCapsule `arrow_schema`."""
    def __arrow_c_stream__(self, requested_schema: _Capsule | None = None) -> _Capsule:
        """Returns the stream of a new scan: a PyCapsule `arrow_array_stream`.

        The scan begins when the first batch is requested, and ends when the stream is released.
        `requested_schema` is ignored, as the interface allows.
        """
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Batch:
    """A batch of rows, as Arrow data.

    `pyarrow.record_batch(batch)` and `polars.DataFrame(batch)` convert it. The columns are shared,
    not copied.
    """

    @property
    def num_rows(self) -> int:
        """The number of rows."""
    @property
    def columns(self) -> list[str]:
        """The names of the columns, in their order."""
    def __len__(self) -> int: ...
    def __arrow_c_schema__(self) -> _Capsule:
        """Returns the schema: a PyCapsule `arrow_schema`."""
    def __arrow_c_array__(
        self, requested_schema: _Capsule | None = None
    ) -> tuple[_Capsule, _Capsule]:
        """Returns PyCapsules `arrow_schema` and `arrow_array`.

        `requested_schema` is ignored, as the interface allows.
        """

@final
class Repo:
    """A repository: one account's records in a CAR.

    `source` is a path, or a CAR as `bytes` or `bytearray`. Opening parses the CAR and its commit,
    and verifies every block against its CID. Iterating, `get`, `count` and `verify` check the rules
    of the tree in each node that they read. Only `verify` with a key verifies the signature.

    Iterating returns `Record` objects in the order of their keys, `collection/rkey`. It copies
    records from the CAR in pieces of at most 256 records or about 1 MiB. It ends with `CarError` at
    the first record that is missing, or whose key is not of this form: `read` leaves out records
    with such keys, and `count` counts them.

    Memory: an index of 10 bytes per block. Files of 8 MiB and more are mapped into memory, and must
    not be changed while the repository is open: if another process truncates one, the signal SIGBUS
    ends this process. Smaller files, compressed ones (gzip or zstd) and pipes are held in memory.

    Raises `CarError` if the CAR cannot be read or is invalid; its `path` is None if `source` is
    bytes. Raises `ValueError` if the path is empty or has lone surrogates, and `TypeError` if
    `source` is something else.
    """

    def __new__(cls, source: _Path | bytes | bytearray, /) -> Repo: ...
    @property
    def did(self) -> str:
        """The DID of the account, from the commit."""
    @property
    def rev(self) -> str:
        """The revision, from the commit: a TID."""
    @property
    def commit(self) -> str:
        """The CID of the commit, as text."""
    def __iter__(self) -> Iterator[Record]: ...
    def get(self, path: str, /) -> Record | None:
        """Returns the record with the key `collection/rkey`, or None if the tree has no such key.

        Reads the nodes from the root of the tree to the key.

        Raises `CarError`: with the reason `missing` if one of these nodes or the record is missing
        from the CAR, with `invalid` if one of the nodes is invalid. Raises `ValueError` if `path`
        is not a repository path.
        """
    def count(self) -> int:
        """Returns the number of records. Walks the tree, without looking records up.

        Raises `CarError` if a node of the tree is missing or invalid.
        """
    def verify(self, key: str | None = None) -> None:
        """Verifies the whole repository.

        Checks every node of the tree, that no record is missing, and that every key is a valid
        repository path. With `key`, also checks that the commit is signed with this key: a
        `did:key`, or the same without `did:key:`, which is how an account's DID document has it
        (`publicKeyMultibase`).

        Raises `CarError` if something is invalid or missing; its message names the first fault.
        Raises `ValueError` if `key` is not a public key.
        """

@final
class Record:
    """A record: an entry of a repository's tree, and its block.

    Two records are equal if their `uri` and `cid` are.
    """

    @property
    def collection(self) -> str:
        """The first half of the key, such as `app.bsky.feed.post`."""
    @property
    def rkey(self) -> str:
        """The second half of the key: the record key."""
    @property
    def uri(self) -> str:
        """The address: `at://did/collection/rkey`."""
    @property
    def cid(self) -> str:
        """The CID of the record, as text."""
    @property
    def cbor(self) -> bytes:
        """The bytes of the record's block. They should be DAG-CBOR, but this is not checked."""
    @property
    def json(self) -> str | None:
        """The record as JSON in the AT Protocol's form.

        None if the block is not CBOR, or is nested more than 100 levels deep. Converted at each
        access. `json.loads` converts it into Python objects.
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
