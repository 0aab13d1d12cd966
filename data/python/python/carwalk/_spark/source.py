"""The Spark data source `carwalk`. Spark's workers import this module, on every machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.types import (
    BinaryType,
    DataType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

import carwalk
from carwalk._spark.options import Options
from carwalk._spark.partitions import Files, Lines, partitions, paths_of

__all__ = ["CarSource"]


class CarSource(DataSource):
    """Tables of repositories: see `carwalk.spark.register`.

    There is no `pushFilters`. Spark 4.3 replaces the partitions of all scans of a DataFrame
    when one of them has a predicate, so that a union of two selections, or a later query without a
    predicate, would lack rows.
    """

    @classmethod
    def name(cls) -> str:
        return "carwalk"

    def schema(self) -> StructType:
        return _schema(Options.of(self.options))

    def reader(self, schema: StructType) -> CarReader:
        options = Options.of(self.options)
        expected = _schema(options)
        if schema != expected:
            raise ValueError(
                "the schema cannot be chosen, only the option columns; it is"
                f" {expected.simpleString()}"
            )
        return CarReader(options)


class CarReader(DataSourceReader):
    """Reads one table. Spark sends it to the tasks."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def __reduce__(self) -> tuple[type[CarReader], tuple[Options]]:
        # Tasks get their paths with the partition. A pattern can have millions.
        return CarReader, (replace(self.options, paths=()),)

    def partitions(self) -> list[InputPartition]:
        return [InputPartition(value) for value in partitions(self.options)]

    def read(self, partition: InputPartition) -> Iterator[pyarrow.RecordBatch]:
        files: list[bytes] = []
        folders: list[bytes] = []
        for path in paths_of(partition.value, self.options):
            # A folder has other files when the task is repeated, so it is not listed.
            (folders if os.path.isdir(path) else files).append(path)
        if self.options.table == "files":
            yield from self._files(files, folders)
            return
        if folders and self.options.on_error == "fail":
            raise _folder(folders[0])
        arguments = _arguments(partition.value, self.options)
        if files and arguments is not None:
            yield from self._records(files, arguments)

    def _records(
        self, files: list[bytes], arguments: dict[str, Any]
    ) -> Iterator[pyarrow.RecordBatch]:
        records = carwalk.read(
            files,
            columns=self.options.columns,
            on_error=self.options.on_error,
            verify=self.options.verify,
            # Spark gives each task one core.
            threads=1,
            **arguments,
        )
        for batch in records:
            yield pyarrow.record_batch(batch)

    def _files(self, files: list[bytes], folders: list[bytes]) -> Iterator[pyarrow.RecordBatch]:
        names = list(self.options.columns)
        for batch in carwalk.files(files, threads=1) if files else ():
            yield pyarrow.record_batch(batch).select(names)
        schema = pyarrow.schema(carwalk.files(os.devnull))
        for error in map(_folder, folders):
            row = {"outcome": "failed"} | vars(error)
            yield pyarrow.RecordBatch.from_pylist([row], schema=schema).select(names)


def _folder(path: bytes) -> carwalk.CarError:
    text = path.decode(errors="backslashreplace")
    return carwalk.CarError(text, "io", "this is a folder, not a file")


def _arguments(partition: Files | Lines, options: Options) -> dict[str, Any] | None:
    """The arguments of `carwalk.read`. None if no row is selected."""
    selection = options.selection
    if isinstance(partition, Files):
        selection = selection.within(partition.start, partition.end)
    return selection.arguments()


def _schema(options: Options) -> StructType:
    """The schema of the table, made from that of Arrow."""
    table = (
        carwalk.files(os.devnull)
        if options.table == "files"
        else carwalk.read(os.devnull, columns=options.columns)
    )
    types = {field.name: _type(field.type) for field in pyarrow.schema(table)}
    return StructType([StructField(name, types[name]) for name in options.columns])


def _type(type_: pyarrow.DataType) -> DataType:
    types: dict[pyarrow.DataType, DataType] = {
        pyarrow.string(): StringType(),
        pyarrow.int64(): LongType(),
        pyarrow.timestamp("us", "UTC"): TimestampType(),
        pyarrow.binary(): BinaryType(),
    }
    return types[type_]
