"""A result as a table of text."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TextIO

from carwalk._sql.text import escaped, width_of

__all__ = ["write_table"]

Row = Sequence[str | None]

_ALIGNED = 1000
"""Rows that decide the widths of columns, where all rows are written."""
_SHOWN = 20
"""Rows of the beginning, and of the end, that a terminal gets."""
_LEAST = 8
"""The width to which columns are cut for a terminal."""
_NULL = "NULL"


def write_table(
    out: TextIO, names: Sequence[str], numeric: Sequence[bool], rows: Iterable[Row]
) -> None:
    """Writes a table, and the number of rows below it.

    A terminal gets the first and the last 20 rows, cut to its width. Files and pipes get
    everything. Control characters are escaped in both.
    """
    if out.isatty():
        _write_excerpt(out, names, numeric, rows)
    else:
        _write_all(out, names, numeric, rows)


def _write_all(
    out: TextIO, names: Sequence[str], numeric: Sequence[bool], rows: Iterable[Row]
) -> None:
    rest = map(_texts, rows)
    first = list(islice(rest, _ALIGNED))
    header = [escaped(name) for name in names]
    table = _Table(_widths([header, *first]), numeric)
    out.write(table.head(header))
    count = 0
    for part in (first, rest):
        for row in part:
            out.write(table.line(row))
            count += 1
    out.write(f"({_counted(count)})\n")


def _write_excerpt(
    out: TextIO, names: Sequence[str], numeric: Sequence[bool], rows: Iterable[Row]
) -> None:
    rest = map(_texts, rows)
    first = list(islice(rest, _SHOWN))
    last: deque[list[str]] = deque(maxlen=_SHOWN)
    count = len(first)
    for row in rest:
        last.append(row)
        count += 1
    header = [escaped(name) for name in names]
    widths = _widths([header, *first, *last])
    fitted = _fitted(widths, shutil.get_terminal_size().columns)
    table = _Table(fitted, numeric, cuts=True)
    out.write(table.head(header))
    shown = len(first) + len(last)
    for number, row in enumerate([*first, *last]):
        if number == len(first) and shown < count:
            out.write(table.line(["…"] * len(names)))
        out.write(table.line(row))
    notes = [f"{shown} shown"] if shown < count else []
    if fitted != widths:
        notes.append("long texts are cut")
    if notes:
        notes.append("all in full: --format csv, or into a pipe")
    out.write(f"({_counted(count)}{''.join(f'; {note}' for note in notes)})\n")


class _Table:
    """Writes lines of columns with these widths."""

    def __init__(self, widths: Sequence[int], numeric: Sequence[bool], cuts: bool = False) -> None:
        self._columns = list(zip(widths, numeric, strict=True))
        self._cuts = cuts

    def head(self, names: Sequence[str]) -> str:
        return self.line(names) + "┼".join("─" * (width + 2) for width, _ in self._columns) + "\n"

    def line(self, texts: Sequence[str]) -> str:
        cells = []
        for text, (width, numeric) in zip(texts, self._columns, strict=True):
            text = _cut(text, width) if self._cuts else text
            space = " " * (width - width_of(text))
            cells.append(space + text if numeric else text + space)
        return (" " + " │ ".join(cells)).rstrip() + "\n"


def _counted(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _texts(row: Row) -> list[str]:
    return [_NULL if text is None else escaped(text) for text in row]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(width_of, column)) for column in zip(*rows, strict=True)]


def _fitted(widths: Sequence[int], columns: int) -> list[int]:
    """The widths, with the widest cut until the line fits, or until all are narrow."""
    fitted = list(widths)
    excess = sum(fitted) + 3 * len(fitted) - 1 - columns
    while excess > 0 and max(fitted) > _LEAST:
        widest = fitted.index(max(fitted))
        others = [width for at, width in enumerate(fitted) if at != widest]
        least = max(_LEAST, min(max(others, default=0), fitted[widest] - 1))
        by = min(excess, fitted[widest] - least)
        fitted[widest] -= by
        excess -= by
    return fitted


def _cut(text: str, width: int) -> str:
    if width_of(text) <= width:
        return text
    while text and width_of(text) > width - 1:
        # Every character has at most two columns.
        text = text[: min(len(text) - 1, max(width - 1, 0))]
    return text + "…"
