"""Scans of records as sources of Polars."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from polars import DataFrame, Expr, LazyFrame, Schema
from polars.exceptions import ComputeError
from polars.io.plugins import register_io_source

from carwalk._carwalk import _inputs, read
from carwalk._polars.predicate import narrow
from carwalk._pushdown import Selection
from carwalk._texts import listed
from carwalk._types import CarError

if TYPE_CHECKING:
    from carwalk._carwalk import Records, _Paths, _Texts

__all__ = ["scan"]

# The default of `read`. Larger batches take more memory and are not faster.
_LARGEST_BATCH = 65_536


def scan(
    paths: _Paths,
    collections: _Texts | None,
    dids: _Texts | None,
    start: str | None,
    end: str | None,
    on_error: Literal["fail", "skip"],
) -> LazyFrame:
    """The records of repositories as a lazy frame: see `carwalk.polars.scan_polars`."""
    files = [path for path, _ in _inputs(paths)]
    texts = {"collections": listed(collections), "dids": listed(dids)}
    options = {**texts, "start": start, "end": end}
    given = {name: value for name, value in options.items() if value is not None}
    # Checks the other arguments. No file is read, and listing the folders again could take long.
    columns = [*read(os.devnull, **given, on_error=on_error).columns, "record_cbor"]
    schema = Schema(read(os.devnull, columns=columns))
    return register_io_source(
        _Source(files, Selection.of(**given), on_error, schema),
        schema=schema,
        # The list of files is fixed. Equal scans in one query are then made once, and agree.
        is_pure=True,
        explain_name="carwalk",
        explain_detail=_detail(len(files), given, on_error),
    )


def _detail(files: int, options: dict[str, Any], on_error: str) -> str:
    """One line about a scan, for the plans of queries."""
    parts = ["1 file" if files == 1 else f"{files} files"]
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        more = f" and {len(values) - 3} more" if len(values) > 3 else ""
        parts.append(f"{name}: {', '.join(map(repr, values[:3])) or 'none'}{more}")
    return "; ".join([*parts, f"on_error: {on_error}"])


@dataclass(frozen=True)
class _Source:
    """A source of records. Polars calls it for each scan of a query."""

    files: list[str]
    selection: Selection
    on_error: Literal["fail", "skip"]
    schema: Schema

    def __call__(
        self,
        with_columns: list[str] | None,
        predicate: Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[DataFrame]:
        """Reads the first `n_rows` rows, then filters them and selects columns."""
        columns = list(self.schema) if with_columns is None else with_columns
        options = self._selected(predicate, n_rows).arguments()
        if options is None:
            yield self.schema.to_frame().select(columns)
            return
        needed = columns if predicate is None else [*columns, *predicate.meta.root_names()]
        for frame in self._rows(needed, options, n_rows, batch_size):
            rows = frame
            # Functions in Python need not expect frames without rows.
            if predicate is not None and frame.height > 0:
                rows = frame.filter(predicate)
            # Without columns, a selection would have no rows.
            yield rows.select(columns) if columns else DataFrame(height=rows.height)

    def _selected(self, predicate: Expr | None, n_rows: int | None) -> Selection:
        # With a number of rows, these are the first ones of all, whether they match or not.
        if predicate is None or n_rows is not None:
            return self.selection
        selection = narrow(self.selection, predicate)
        if self.on_error == "fail":
            return selection
        # A file that fails is left out as a whole, so it must be read as a whole to know that.
        # Files of other accounts have no rows to leave out.
        return replace(self.selection, dids=selection.dids)

    def _rows(
        self,
        columns: list[str],
        options: dict[str, Any],
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[DataFrame]:
        size = max(1, min(batch_size or _LARGEST_BATCH, n_rows or _LARGEST_BATCH, _LARGEST_BATCH))
        # A limit narrows the scan: with `skip`, rows of files that fail could be returned.
        limit = n_rows if self.on_error == "fail" else None
        try:
            records = read(
                self.files,
                columns=columns,
                limit=limit,
                batch_size=size,
                on_error=self.on_error,
                **options,
            )
            yield from _first(_frames(records), n_rows)
        except CarError as error:
            raise ComputeError(str(error)) from error


def _frames(records: Records) -> Iterator[DataFrame]:
    """The batches of a new scan, and an empty frame after each tenth of a second without one.

    Polars looks at Ctrl-C, and whether it still needs the scan, when it gets a frame.
    """
    # The class of the iterator is private.
    batches: Any = iter(records)
    empty = Schema(records).to_frame()
    while True:
        try:
            batch = batches._poll()
        except StopIteration:
            return
        yield empty if batch is None else DataFrame(batch)


def _first(frames: Iterator[DataFrame], rows: int | None) -> Iterator[DataFrame]:
    """Frames with the first rows. None: all."""
    left = rows
    for frame in frames:
        if left is None:
            yield frame
            continue
        first = frame.head(left)
        yield first
        left -= first.height
        if left == 0:
            return
