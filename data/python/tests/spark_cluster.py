"""Kills executors of a Spark cluster on this machine, and compares the results.

``python spark_cluster.py FOLDER`` writes a network into a folder, if it is new, and prints a table.
The exit code is 1 if a result differs from the undisturbed one. Executors end by SIGKILL at a known
point: a step of the query waits there.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession

import social
from spark_sessions import QUICK, session

# Executors cannot import this module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]

PATIENCE = 300
"""How many seconds anything may take. Nothing is expected to take as long."""

Step = Callable[[Iterator[pyarrow.RecordBatch]], Iterator[pyarrow.RecordBatch]]


def executor() -> int:
    """The process of the executor, which is an ancestor of this one."""
    pid = os.getpid()
    while "CoarseGrainedExecutorBackend" not in command(pid):
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def gate(folder: Path) -> Step:
    """A step that waits with its first batch until the gate is open."""

    def step(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        for number, batch in enumerate(batches):
            if number == 0 and not (folder / "open").exists():
                (folder / f"at-{executor()}").touch()
                while not (folder / "open").exists():
                    time.sleep(0.02)
            yield batch

    return step


def counted(folder: Path) -> Step:
    """A step that leaves a file for each time that it runs."""

    def step(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        descriptor, _ = tempfile.mkstemp(prefix="ran-", dir=folder)
        os.close(descriptor)
        yield from batches

    return step


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise TimeoutError(f"nothing happened for {PATIENCE} s")


@dataclass
class Query:
    """A query over a network, with a step that waits in a stage."""

    spark: SparkSession
    folder: Path
    gates: Path

    def records(self, columns: str) -> DataFrame:
        reader = self.spark.read.format("carwalk").option("columns", columns)
        frame = reader.option("partition_bytes", str(1 << 20)).load(str(self.folder))
        return self.through(frame, counted(self.gates))

    def through(self, frame: DataFrame, step: Step) -> DataFrame:
        return frame.mapInArrow(step, frame.schema)

    def scan(self) -> DataFrame:
        records = self.through(self.records("did,collection,rkey,record"), gate(self.gates))
        return records.groupBy("did").agg({"record": "max", "rkey": "max", "*": "count"})

    def shuffle(self) -> DataFrame:
        records = self.records("did,collection,rkey,record")
        groups = records.groupBy("did", "collection").agg({"record": "max", "rkey": "count"})
        return self.through(groups, gate(self.gates))

    def join(self) -> DataFrame:
        likes = self.records("did,collection,subject").where("collection = 'app.bsky.feed.like'")
        posts = self.records("did,collection,rkey").where("collection = 'app.bsky.feed.post'")
        posts = posts.selectExpr(
            "did as author", "concat('at://', did, '/', collection, '/', rkey) as uri"
        )
        joined = likes.join(posts, likes["subject"] == posts["uri"])
        joined = self.through(joined, gate(self.gates))
        return joined.groupBy("author").agg({"did": "max", "uri": "count"})


def result(frame: DataFrame) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, frame.collect()), key=repr)


class Outcome:
    """The result of a query in a thread of its own."""

    def __init__(self, frame: DataFrame) -> None:
        self.rows: list[tuple[Any, ...]] | None = None
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self.run, args=(frame,), daemon=True)
        self.thread.start()

    def run(self, frame: DataFrame) -> None:
        try:
            self.rows = result(frame)
        except Exception as error:  # Spark has many.
            self.error = error

    def wait(self) -> None:
        self.thread.join(PATIENCE)


def kill(gates: Path, spark: SparkSession) -> int:
    """Kills an executor of this session that waits at the gate."""
    waiting = until(lambda: list(gates.glob("at-*")))
    pid = int(waiting[0].name.removeprefix("at-"))
    assert str(spark.sparkContext.applicationId) in command(pid)
    os.kill(pid, signal.SIGKILL)
    waiting[0].unlink()
    return pid


def executors(spark: SparkSession) -> int:
    status: Any = spark.sparkContext._jsc.sc()
    return int(status.getExecutorMemoryStatus().size()) - 1


def disturbed(query: Query, case: str) -> tuple[Outcome, int]:
    """Runs a query and kills executors. Returns its result and the number of kills."""
    outcome = Outcome(getattr(query, "shuffle" if case in ("only", "always") else case)())
    kill(query.gates, query.spark)
    killed = 1
    while case == "always" and outcome.thread.is_alive():
        until(lambda: list(query.gates.glob("at-*")) or not outcome.thread.is_alive())
        if outcome.thread.is_alive():
            kill(query.gates, query.spark)
            killed += 1
    (query.gates / "open").touch()
    outcome.wait()
    return outcome, killed


def run(folder: Path, case: str, times: int) -> bool:
    """Prints a line for each time. Returns whether all outcomes are right."""
    count = 1 if case in ("only", "always") else 2
    settings = {"spark.executor.memory": "1g", "spark.sql.autoBroadcastJoinThreshold": "-1"}
    spark = session(f"local-cluster[{count},1,1024]", folder, settings | QUICK)
    right = True
    with tempfile.TemporaryDirectory(dir=folder) as place:
        query = Query(spark, folder / "cars", Path(place))
        (query.gates / "open").touch()
        expected = result(getattr(query, "shuffle" if count == 1 else case)())
        scans = len(list(query.gates.glob("ran-*")))
    for _ in range(times):
        until(lambda: executors(spark) == count)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            begin = time.monotonic()
            query.gates = Path(place)
            outcome, killed = disturbed(query, case)
            seconds = time.monotonic() - begin
            again = len(list(query.gates.glob("ran-*"))) - scans
        # Without a result there must be an error, and not an endless wait.
        fine = outcome.rows == expected if case != "always" else outcome.error is not None
        right = right and fine
        said = f"{len(expected)} rows, equal" if outcome.rows == expected else "DIFFERENT"
        if outcome.rows is None:
            said = "no result" if outcome.error is None else message(outcome.error)
        line = f"| {case} | {count} | {killed} | {again:+d} | {seconds:.1f} s | {said} |"
        print(line, flush=True)
    spark.stop()
    return right


def message(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[text.find("Job aborted") :][:140] if "Job aborted" in text else text[:140]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--cases", default="scan,shuffle,join,only,always")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if not (folder / "cars").exists():
        social.write(folder / "cars", arguments.accounts)
    print("| case | executors | killed | scans repeated | time | result |")
    print("|---|--:|--:|--:|--:|---|")
    cases = arguments.cases.split(",")
    return 0 if all([run(folder, case, arguments.times) for case in cases]) else 1


if __name__ == "__main__":
    sys.exit(main())
