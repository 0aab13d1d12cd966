"""SQL queries over repositories, with DuckDB.

    >>> import carwalk.duckdb
    >>> with carwalk.duckdb.connect("samples") as connection:
    ...     connection.execute("select count(*) from posts where reply_root is not null").fetchall()
    [(4,)]
"""

from __future__ import annotations

import operator
import threading
from importlib.resources import files as resources
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsIndex, cast

try:
    import duckdb
except ModuleNotFoundError as error:
    if error.name != "duckdb":
        raise
    raise ModuleNotFoundError(
        "carwalk.duckdb needs DuckDB, which is not installed: pip install 'duckdb>=2'",
        name="duckdb",
    ) from error

from carwalk._carwalk import _inputs
from carwalk._duckdb.notes import add_notes
from carwalk._duckdb.session import Session, create_tables, text_of
from carwalk._duckdb.source import Source
from carwalk._texts import listed
from carwalk._types import Failure

if TYPE_CHECKING:
    from carwalk._carwalk import _Paths, _Texts

__all__ = ["Connection", "connect"]


def connect(
    paths: _Paths,
    *,
    collections: _Texts | None = None,
    dids: _Texts | None = None,
    start: str | None = None,
    end: str | None = None,
    on_error: Literal["fail", "skip"] = "fail",
    threads: SupportsIndex | None = None,
) -> Connection:
    """Connects to a DuckDB database in memory that has repositories as tables.

    The tables are `records` and `files`, as `carwalk.read` and `carwalk.files` return them;
    `records` also has `record_cbor`. The views `posts`, `likes`, `reposts`, `follows`, `blocks`,
    `profiles` and `lists` are those of the file `carwalk/views/duckdb.sql`.

    The call checks the arguments and lists folders. Every query opens the listed files again. It
    reads only the columns that it needs. Its filters do not narrow what is read; the arguments
    `collections`, `dids`, `start` and `end` do, for the table `records`. A file in which records
    are missing fails only in queries that read records: see `carwalk.read`.

    Parameters
    ----------
    paths, collections, dids, start, end, on_error
        As for `carwalk.read`.
    threads
        How many files are read at a time, and how many threads DuckDB has, at most 1024. Default:
        as many as there are cores.

    Returns
    -------
    Connection
        The connection. Close it, or use it in a `with` statement.

    Raises
    ------
    ValueError, TypeError, CarError
        As for `carwalk.read`.

    Examples
    --------
    >>> import carwalk.duckdb
    >>> connection = carwalk.duckdb.connect("samples", collections="app.bsky.feed.post")
    >>> connection.execute("select rkey, size from records order by 2 desc limit 1").fetchall()
    [('3l4nsskuqu22l', 441)]
    >>> connection.close()
    """
    # Iterables can be read only once, and each scan needs them.
    collections, dids = listed(collections), listed(dids)
    number = None if threads is None else operator.index(threads)
    options = {"collections": collections, "dids": dids, "start": start, "end": end}
    files = [path for path, _ in _inputs(paths)]
    source = Source(files, number, options | {"on_error": on_error})
    # Otherwise DuckDB would find the variables of this module.
    config: dict[str, Any] = {"python_enable_replacements": False}
    if number is not None:
        config["threads"] = number
    return Connection._of(duckdb.connect(":memory:", config=config), source)


class Connection:
    """A DuckDB database in memory that has repositories as tables. `connect` returns it.

    Each call of `execute` and `sql` is a session of its own, and its query can be several
    statements with `;` between them. Tables, views and macros that a call creates remain for later
    calls, as do settings made with `set global`. Temporary tables, variables, prepared statements
    and local settings (`set`) end with the call. A transaction that the call does not commit is
    rolled back. The time zone of each session is UTC.

    Threads can share a connection.
    """

    _database: duckdb.DuckDBPyConnection
    _source: Source
    # Tests set it to False, to compare with queries that read all columns.
    _narrow: bool
    _lock: threading.Lock
    _last: Session | None

    def __init__(self) -> None:
        raise TypeError("carwalk.duckdb.connect(paths) makes a Connection")

    @classmethod
    def _of(cls, database: duckdb.DuckDBPyConnection, source: Source) -> Connection:
        self = cls.__new__(cls)
        self._database, self._source, self._narrow = database, source, True
        self._lock, self._last = threading.Lock(), None
        views = resources("carwalk").joinpath("views", "duckdb.sql").read_text("utf-8")
        with database.cursor() as cursor:
            create_tables(cursor, source, views)
        return self

    def execute(self, query: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Runs a query, and returns a DuckDB cursor with its result.

        Parameters
        ----------
        query
            One or more statements. They run one after the other, and the result is the last one's.
        parameters
            A list for `?` and `$1`, or a dict for `$name`, in the last statement.

        Returns
        -------
        duckdb.DuckDBPyConnection
            The cursor: call `fetchall`, `fetchone`, `fetchmany`, `df` or `to_arrow_table`. Rows are
            read from files while the result is fetched. Later queries do not change the result. Do
            not run another query with the cursor, whose tables have only the columns that this
            query needs: call `execute` of the connection.

        Raises
        ------
        duckdb.Error
            If the query is invalid or fails. If a file fails and `on_error` is `fail`, the text has
            the path, the reason and the message, and `failures` has the file.

        Examples
        --------
        >>> import carwalk.duckdb
        >>> connection = carwalk.duckdb.connect("samples")
        >>> query = "select rkey from likes where subject like ? order by rkey limit 1"
        >>> connection.execute(query, ["%/app.bsky.feed.post/%"]).fetchall()
        [('3l4npkxvnm22l',)]
        """
        with add_notes(self._database, query):
            session = self._session()
            *first, last = session.split(query)
            session.run(first)
            session.prepare(last, parameters)
            session.cursor.execute(last, parameters)
            return session.cursor

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Returns a query as a DuckDB relation, which runs each time that its rows are requested.

        The call runs all statements before the last one. It also runs the last one if that writes,
        as `create table` does. Returns None if the last statement has no result.

        Raises `duckdb.Error` if the query is invalid. Running the relation raises `duckdb.Error` if
        it fails: see `execute`.

        >>> import carwalk.duckdb
        >>> connection = carwalk.duckdb.connect("samples")
        >>> connection.sql("from follows").aggregate("count(*) as n").fetchall()
        [(9,)]
        """
        # As in DuckDB, the type leaves out None, which only statements without a result return.
        return cast("duckdb.DuckDBPyRelation", self._open(query)[1])

    @property
    def failures(self) -> list[Failure]:
        """The failed files of the last call of `execute` or `sql`, in the order of the inputs.

        Files that failed in several scans of the query are listed once. While a result is fetched,
        the list has the failures so far.
        """
        return [] if self._last is None else self._last.failures

    def close(self) -> None:
        """Closes the database and all cursors. Their results can no longer be fetched."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open(
        self, query: str
    ) -> tuple[Session, duckdb.DuckDBPyRelation | None, duckdb.Statement]:
        """Runs all statements but the last. Returns that as a relation and as it is."""
        with add_notes(self._database, query):
            session = self._session()
            *first, last = session.split(query)
            session.run(first)
            session.prepare(last, None)
            return session, session.cursor.sql(text_of(last)), last

    def _interrupt(self) -> None:
        """Ends the query of the last call soon."""
        if self._last is not None:
            self._last.cursor.interrupt()

    def _session(self) -> Session:
        with self._lock:
            cursor = self._database.cursor()
        self._last = session = Session(cursor, self._source, self._narrow)
        return session
