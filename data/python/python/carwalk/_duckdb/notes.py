"""Notes on errors about unknown tables and columns: the names that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

__all__ = ["add_notes"]

_NAMES = """
    select table_name from duckdb_tables() where not internal and not temporary
    union all
    select view_name from duckdb_views() where not internal and not temporary
    order by all
"""

_COLUMNS = """
    select column_name from duckdb_columns()
    where table_name = ? and not internal order by column_index
"""


@contextmanager
def add_notes(database: duckdb.DuckDBPyConnection, query: object) -> Iterator[None]:
    """Adds notes to an error of DuckDB: the tables, or the columns of the query's tables."""
    try:
        yield
    except duckdb.Error as error:
        # An error of the notes, such as of a closed database, must not replace this one.
        with suppress(duckdb.Error):
            for note in _notes(database, error, str(query)):
                error.add_note(note)
        raise


def _notes(
    database: duckdb.DuckDBPyConnection, error: duckdb.Error, query: str
) -> Iterator[str]:
    text = str(error)
    if isinstance(error, duckdb.CatalogException) and "Table with name" in text:
        names = _fetched(database, _NAMES)
        yield f"tables and views: {', '.join(names)}"
    if isinstance(error, duckdb.BinderException) and "column" in text:
        words = set(re.findall(r"\w+", query.lower()))
        for table in _fetched(database, _NAMES):
            if table.lower() in words:
                yield f"columns of {table}: {', '.join(_fetched(database, _COLUMNS, [table]))}"


def _fetched(
    database: duckdb.DuckDBPyConnection, query: str, parameters: object = None
) -> list[str]:
    with database.cursor() as cursor:
        return [name for (name,) in cursor.execute(query, parameters).fetchall()]
