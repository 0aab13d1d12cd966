"""Measures what Spark costs per partition and per row, and what a manifest costs the driver.

``python spark_cost.py FOLDER CARS`` with a folder for Spark's files and a folder of CARs prints
tables. Each time is the shortest of three.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import carwalk
import pyarrow
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.datasource import CaseInsensitiveDict

from carwalk._spark.source import CarReader, CarSource
from spark_sessions import session

COLUMNS = {"tree only": "collection", "default": "", "with record": "did,collection,rkey,record"}
LINES = 1_000_000


def shortest(function: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def manifest(path: Path, folder: Path, repeats: int) -> int:
    """Lists the CARs of a folder so many times. Returns their bytes."""
    cars = [(car, car.stat().st_size) for car in sorted(folder.rglob("*.car"))]
    with open(path, "w") as file:
        for _ in range(repeats):
            file.writelines(f"{car}\t{size}\n" for car, size in cars)
    return repeats * sum(size for _, size in cars)


def records(spark: SparkSession, path: Path, columns: str, partition_bytes: int) -> DataFrame:
    reader = spark.read.format("carwalk").option("partition_bytes", partition_bytes)
    if columns:
        reader = reader.option("columns", columns)
    return reader.option("manifest", str(path)).load()


def scan(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def per_partition(spark: SparkSession, path: Path, size: int) -> None:
    print("\n| partitions | time |\n|--:|--:|")
    for count in (1, 10, 100, 1000):
        frame = records(spark, path, "collection", max(size // count, 1))
        partitions = frame.rdd.getNumPartitions()
        seconds = shortest(lambda frame=frame: scan(frame))  # type: ignore[misc]
        print(f"| {partitions:,} | {seconds:.2f} s |", flush=True)


def per_row(spark: SparkSession, folder: Path, path: Path) -> None:
    print("\n| columns | rows | Spark | carwalk.read with 2 threads |\n|---|--:|--:|--:|")
    for name, columns in COLUMNS.items():
        for repeats in (1, 4, 8):
            size = manifest(path, folder, repeats)
            frame = records(spark, path, columns, -(-size // 8))
            names = frame.columns
            paths = [line.rpartition("\t")[0] for line in path.read_text().splitlines()]
            table = carwalk.read(paths, columns=names, threads=2)
            rows = sum(batch.num_rows for batch in table)
            alone = shortest(lambda table=table: drain(table))  # type: ignore[misc]
            seconds = shortest(lambda frame=frame: scan(frame))  # type: ignore[misc]
            print(f"| {name} | {rows:,} | {seconds:.2f} s | {alone:.2f} s |", flush=True)


def drain(table: carwalk.Records) -> None:
    for batch in table:
        pyarrow.record_batch(batch)


def workers(java: int) -> list[float]:
    """The peak memory of Spark's Python workers, in MiB."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            command = (status.parent / "cmdline").read_bytes()
        except OSError:  # The process has ended.
            continue
        if b"python" in command.split(b"\0")[0] and ancestor(int(status.parent.name), java):
            found.append(int(lines["VmHWM"].split()[0]) / 1024)
    return sorted(found)


def ancestor(pid: int, wanted: int) -> bool:
    while pid > 1:
        if pid == wanted:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def listing(path: Path) -> None:
    """The driver's work for a manifest of a network: 465 kB for each of so many CARs."""
    with open(path, "w") as file:
        for number in range(LINES):
            file.write(f"/cars/{number % 1000:03}/did-plc-{number:024}.car\t{465_000}\n")
    source = CarSource(CaseInsensitiveDict({"manifest": str(path)}))
    reader = source.reader(source.schema())
    assert isinstance(reader, CarReader)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    found = reader.partitions()
    seconds = time.perf_counter() - begin
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"\n{LINES:,} lines: {len(found):,} partitions, {seconds:.2f} s, {grown:.0f} MiB more")


def main() -> None:
    folder, cars = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "list.tsv"
    listing(path)
    spark = session("local[2]", folder, {"spark.driver.memory": "2g"})
    size = manifest(path, cars, 1)
    scan(records(spark, path, "collection", size))
    per_partition(spark, path, size)
    per_row(spark, cars, path)
    java = spark.sparkContext._gateway.proc.pid  # type: ignore[union-attr]
    sizes = ", ".join(f"{size:.0f}" for size in workers(java))
    print(f"\nPeak memory of the Python processes: {sizes} MiB")
    spark.stop()


if __name__ == "__main__":
    main()
