"""Writes the result of a query in a format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

import carwalk.duckdb
import duckdb
from carwalk._sql.arguments import Options
from carwalk._sql.output import Output, OutputError
from carwalk._sql.table import Row, write_table

__all__ = ["write_result"]

_COPIES = {
    "csv": "format csv, header true",
    "jsonl": "format json",
    "parquet": "format parquet, compression zstd",
}
_NUMBERS = {
    *("tinyint", "smallint", "integer", "bigint", "hugeint", "float", "double", "decimal"),
    *("utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"),
}
_NESTED = {"list", "array", "struct", "map", "union"}
_NOT_JSON = ("FLOAT", "DOUBLE", "JSON", "VARIANT")
"""Types with numbers that JSON does not have, which DuckDB's JSON has too."""
# A text in JSON, as a regular expression.
_TEXT = r'"([^"\\]|\\.)*"'
# Rows that are fetched at a time.
_FETCHED = 1000


def write_result(
    connection: carwalk.duckdb.Connection, options: Options, output: Output
) -> None:
    """Runs the query of the options, and writes its result."""
    session, relation, statement = connection._open(options.query)
    if relation is None or not _has_rows(relation, statement):
        if output.is_file:
            message = "the statement has no result, and -o has nothing to write"
            raise OutputError(message, is_usage=True)
        return
    names, kinds = relation.columns, [str(type_.id) for type_ in relation.types]
    expressions = [
        f'{_expression(options.format, f"#{number}", str(type_), kind)} as {_quoted(name)}'
        for number, (name, type_, kind) in enumerate(
            zip(_distinct(names), relation.types, kinds, strict=True), 1
        )
    ]
    # A relation is read in one piece, and has no method for JSON. A name can be copied.
    cursor = session.cursor
    cursor.register("carwalk_result", relation.project(", ".join(expressions)))
    if options.format != "table":
        output.write_path(lambda path: _copy(cursor, path, _COPIES[options.format]))
    elif statement.type == duckdb.StatementType.EXPLAIN:
        output.write_stream(lambda stream: _write_plan(stream, cursor))
    else:
        numeric = [kind in _NUMBERS for kind in kinds]
        output.write_stream(lambda stream: _write_table(stream, names, numeric, cursor))


def _has_rows(relation: duckdb.DuckDBPyRelation, statement: duckdb.Statement) -> bool:
    """Whether a statement has a result, and not only a number of rows that it changed."""
    types = duckdb.StatementType
    if statement.type in (types.SELECT, types.EXPLAIN):
        return True
    return relation.columns not in (["Count"], ["Success"])


def _expression(format_: str, column: str, type_: str, kind: str) -> str:
    """What is written of a column, as SQL."""
    if format_ == "table":
        return f"{column}::varchar"
    if format_ == "parquet":
        return column
    if kind == "blob":
        # As `carwalk export` writes bytes.
        return f"to_base64({column})"
    return _json_of(column, type_, kind) if format_ == "jsonl" else column


def _json_of(column: str, type_: str, kind: str) -> str:
    """A value whose JSON is valid: DuckDB writes `NaN` for numbers that JSON does not have."""
    if kind in ("float", "double"):
        text = f"to_json({column}::varchar)"
        return f"case when isfinite({column}) then to_json({column}) else {text} end"
    is_nested = kind in _NESTED and any(name in type_ for name in _NOT_JSON)
    if is_nested or type_ in ("JSON", "VARIANT"):
        text = f"to_json({column})::varchar"
        # Outside of texts, only NaN and Infinity have these letters.
        rest = f"""regexp_replace({text}, '{_TEXT}', '', 'g')"""
        bad = f"regexp_matches({text}, 'NaN|Inf') and regexp_matches({rest}, '[NI]')"
        message = "JSON has no NaN and no infinity: cast the column that has one to varchar"
        return f"case when {bad} then error('{message}')::json else to_json({column}) end"
    return column


def _distinct(names: list[str]) -> list[str]:
    """The names, with numbers behind those that an earlier column has."""
    taken: set[str] = set()
    found = []
    for name in names:
        number, candidate = 0, name
        # DuckDB does not distinguish cases.
        while candidate.lower() in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate.lower())
        found.append(candidate)
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _copy(cursor: duckdb.DuckDBPyConnection, path: str, options: str) -> None:
    literal = path.replace("'", "''")
    cursor.execute(f"copy carwalk_result to '{literal}' ({options}, use_tmp_file false)")


def _write_table(
    stream: BinaryIO, names: list[str], numeric: list[bool], cursor: duckdb.DuckDBPyConnection
) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
    try:
        write_table(text, names, numeric, _rows(cursor))
        text.flush()
    finally:
        # The stream is not this function's.
        text.detach()


def _write_plan(stream: BinaryIO, cursor: duckdb.DuckDBPyConnection) -> None:
    for _, plan in _rows(cursor):
        stream.write(f"{plan}\n".encode())


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    cursor.execute("from carwalk_result")
    while rows := cursor.fetchmany(_FETCHED):
        yield from rows
