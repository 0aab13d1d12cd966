"""A session of DuckDB for one call, whose tables read only the columns that are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from carwalk._duckdb.plan import columns_of
from carwalk._duckdb.source import COLUMNS, Scans, Source
from carwalk._types import Failure

__all__ = ["Session", "create_tables", "text_of"]

_TYPES = duckdb.StatementType
_PLANNED = {
    _TYPES.SELECT,
    _TYPES.INSERT,
    _TYPES.UPDATE,
    _TYPES.DELETE,
    _TYPES.CREATE,
    _TYPES.COPY,
}
"""Statements whose plan says which columns they read. Others read all columns."""

_ENDS = ("commit", "end", "rollback", "abort")

# The tables have two names. `records` is a view in the database, which users cannot replace by
# accident, over a view of the session, whose columns have the same names and types in each.
_TABLES = (
    f"create view records as select {', '.join(COLUMNS)} from carwalk_records",
    "create view files as from carwalk_files",
)


class Session:
    """A cursor, and the tables that its statements have read."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, source: Source, narrow: bool) -> None:
        self.cursor = cursor
        self._source = source
        self._narrow = narrow
        self._scans: list[Scans] = []
        self._in_transaction = False
        # Texts and dates must not depend on the zone of the machine.
        cursor.execute("set timezone = 'UTC'")

    def split(self, query: str) -> list[duckdb.Statement]:
        """The statements of a query."""
        statements: list[duckdb.Statement] = self.cursor.extract_statements(query)
        if not statements:
            raise duckdb.InvalidInputException("Invalid Input Error: the query has no statement")
        return statements

    def run(self, statements: Sequence[duckdb.Statement]) -> None:
        """Runs statements to their end."""
        for statement in statements:
            self.prepare(statement, None)
            self.cursor.execute(statement)
            self.cursor.complete()
            if statement.type == _TYPES.TRANSACTION:
                self._in_transaction = _word(statement) not in _ENDS

    def prepare(self, statement: duckdb.Statement, parameters: object) -> None:
        """Binds the tables to the columns that a statement reads."""
        # The tables cannot be bound in a failed transaction, which must be rolled back.
        if statement.type == _TYPES.TRANSACTION:
            return
        needed = self._needed(statement, parameters)
        columns = [name for name in COLUMNS if needed is None or name in needed]
        # An Arrow object without columns has no rows for DuckDB.
        records, files = self._source.records(columns or ["did"]), self._source.files()
        self._scans += [records, files]
        bind(self.cursor, records, files, columns)

    @property
    def failures(self) -> list[Failure]:
        """The failed files of the statements so far."""
        return self._source.failures(self._scans)

    def _needed(self, statement: duckdb.Statement, parameters: object) -> frozenset[str] | None:
        """The columns of `records` that a statement reads. None if only DuckDB knows."""
        if not self._narrow or statement.type not in _PLANNED:
            return None
        if self._in_transaction:
            # An error of the plan would end the transaction.
            return None
        bind(self.cursor, *self._source.planned(), list(COLUMNS))
        try:
            self.cursor.execute(f"explain (format json) {statement.query}", parameters)
            plans = dict(self.cursor.fetchall())
        except (duckdb.Error, ValueError):
            # If the statement is at fault, running it raises the error.
            return None
        plan = plans.get("physical_plan")
        return columns_of(plan, list(COLUMNS)) if plan else None


def create_tables(cursor: duckdb.DuckDBPyConnection, source: Source, views: str) -> None:
    """Creates the tables and views of a database, which each session binds."""
    bind(cursor, *source.planned(), list(COLUMNS))
    for statement in _TABLES:
        cursor.execute(statement)
    cursor.execute(views)


def bind(
    cursor: duckdb.DuckDBPyConnection, records: Any, files: Any, columns: Sequence[str]
) -> None:
    """Binds the tables of a session to Arrow objects. `records` has these columns."""
    cursor.register("carwalk_rows", records)
    cursor.register("carwalk_files", files)
    expressions = (name if name in columns else _unread(name) for name in COLUMNS)
    cursor.execute(
        f"create or replace temp view carwalk_records as "
        f"select {', '.join(expressions)} from carwalk_rows"
    )


def _unread(name: str) -> str:
    # A null would make another query on the same cursor wrong without an error.
    message = (
        f"the column {name} was not read, because the query of this cursor does not need it: "
        "call execute or sql of the carwalk.duckdb.Connection for each query"
    )
    return f"error('{message}')::{COLUMNS[name]} as {name}"


def _word(statement: duckdb.Statement) -> str:
    """The first word of a statement, in lower case."""
    (offset, _), *_ = _tokens(statement.query)
    return statement.query.encode()[offset:].decode().split(None, 1)[0].rstrip(";").lower()


def text_of(statement: duckdb.Statement) -> str:
    """The text of a statement without the semicolon at its end."""
    text, tokens = statement.query.encode(), _tokens(statement.query)
    while tokens and text[tokens[-1][0] :].startswith(b";"):
        text = text[: tokens.pop()[0]]
    return text.decode()


def _tokens(text: str) -> list[tuple[int, duckdb.token_type]]:
    """The tokens of a text, each with the offset of its first byte, without comments."""
    return [token for token in duckdb.tokenize(text) if token[1] != duckdb.token_type.comment]
