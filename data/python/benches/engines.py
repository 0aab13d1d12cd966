"""Times questions in every engine on one machine, in one run, each in a process of its own.

``python engines.py ROUNDS INPUT`` prints the medians of interleaved rounds: seconds, CPU seconds,
and peak anonymous memory in MiB. The time begins when the engine is connected and folders are
listed. For the questions over Parquet, ``--parquet FILES`` names files that ``carwalk export --as
parquet`` has made of the input. It needs Linux.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

BY_COLLECTION = "select collection, count(*) as n from records group by collection order by n desc"
LANGUAGES = "select langs, count(*) as n from posts group by langs order by n desc, langs"


# Asks a question, and returns the number of rows.
Ask = Callable[[], int]


def scan(paths: list[str], columns: list[str]) -> Ask:
    import carwalk

    records = carwalk.read(paths, columns=columns)
    return lambda: sum(batch.num_rows for batch in records)


def ask_duckdb(paths: list[str], query: str) -> Ask:
    import carwalk.duckdb

    connection = carwalk.duckdb.connect(paths)
    return lambda: len(connection.execute(query).fetchall())


def ask_polars(paths: list[str], query: str) -> Ask:
    import carwalk.polars
    import polars

    records = carwalk.polars.scan_polars(paths)
    tables = {"records": records, **carwalk.polars.views(records)}
    context = polars.SQLContext(tables)
    return lambda: len(context.execute(query).collect(engine="streaming"))


def ask_parquet(paths: list[str], query: str) -> Ask:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"create view records as from read_parquet({paths})")
    views = importlib.resources.files("carwalk") / "views" / "duckdb.sql"
    connection.execute(views.read_text())
    return lambda: len(connection.execute(query).fetchall())


COLUMNS = ["did", "collection", "rkey", "created_at", "record", "cid"]
QUESTIONS: dict[str, Callable[[list[str]], Ask]] = {
    "scan, collection": lambda paths: scan(paths, ["collection"]),
    "DuckDB, by collection": lambda paths: ask_duckdb(paths, BY_COLLECTION),
    "Polars, by collection": lambda paths: ask_polars(paths, BY_COLLECTION),
    "scan, columns of posts": lambda paths: scan(paths, COLUMNS),
    "DuckDB, languages": lambda paths: ask_duckdb(paths, LANGUAGES),
    "Polars, languages": lambda paths: ask_polars(paths, LANGUAGES),
}
ON_PARQUET: dict[str, Callable[[list[str]], Ask]] = {
    "Parquet, by collection": lambda paths: ask_parquet(paths, BY_COLLECTION),
    "Parquet, languages": lambda paths: ask_parquet(paths, LANGUAGES),
}


class Peak(threading.Thread):
    """The most anonymous memory that this process had, looked at every 5 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.kib = 0

    def look(self) -> None:
        status = Path("/proc/self/status").read_text()
        self.kib = max(self.kib, int(status.split("RssAnon:")[1].split()[0]))

    def run(self) -> None:
        while True:
            self.look()
            time.sleep(0.005)


def ask(name: str, paths: list[str]) -> None:
    """Asks one question, and prints what it took."""
    peak = Peak()
    peak.start()
    question = (QUESTIONS | ON_PARQUET)[name](paths)
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    rows = question()
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    peak.look()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "mib": peak.kib / 1024}))


def in_another_process(name: str, paths: list[str]) -> dict[str, float]:
    command = [sys.executable, __file__, "--ask", name, "1", *paths]
    taken: dict[str, float] = json.loads(subprocess.check_output(command))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--parquet", nargs="*", default=[], metavar="FILES")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        ask(options.ask, options.inputs)
        return
    todo = dict.fromkeys(QUESTIONS, options.inputs)
    todo |= dict.fromkeys(ON_PARQUET if options.parquet else [], options.parquet)
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in todo}
    for _ in range(options.rounds):
        for name, paths in todo.items():
            taken[name].append(in_another_process(name, paths))
    print("| | rows | s | CPU s | MiB |\n|---|--:|--:|--:|--:|")
    for name, rounds in taken.items():
        middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        print(
            f"| {name} | {middle['rows']:.0f} | {middle['seconds']:.3f} | {middle['cpu']:.3f} "
            f"| {middle['mib']:.0f} |"
        )


if __name__ == "__main__":
    main()
