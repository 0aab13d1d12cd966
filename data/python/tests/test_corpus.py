"""Every engine answers every query of the corpus alike."""

from __future__ import annotations

from pathlib import Path

import carwalk
import corpus
import engines
import pyarrow
import pyarrow.parquet
import pytest
from corpus import QUERIES, Query, Subject
from engines import Ask


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Subject]:
    folder = tmp_path_factory.mktemp("network")
    return str(folder), corpus.write_folder(folder, 40)


@pytest.fixture(scope="module")
def asks(network: tuple[str, Subject], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ask]:
    folder, subject = network
    exports = tmp_path_factory.mktemp("exports")
    for name, table in (
        ("rows", carwalk.read(folder, on_error="skip")),
        ("files", carwalk.files(folder)),
    ):
        pyarrow.parquet.write_table(pyarrow.table(table), exports / f"{name}.parquet")
    return {
        "duckdb": engines.on_cars(folder, subject),
        "duckdb with all columns": engines.on_cars(folder, subject, narrow=False),
        "polars": engines.in_polars(folder, subject),
        "parquet": engines.on_exports(
            f"'{exports}/rows.parquet'", f"'{exports}/files.parquet'", subject
        ),
    }


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_every_engine_gives_the_same_rows(query: Query, asks: dict[str, Ask]) -> None:
    expected = asks["parquet"](query)
    assert len(expected) >= min(query.at_least, 5)
    for name, ask in asks.items():
        assert ask(query) == expected, name
