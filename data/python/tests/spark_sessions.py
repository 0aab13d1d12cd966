"""Sessions of Spark on this machine, for tests and measurements."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import carwalk.spark
import pyspark
from pyspark.sql import SparkSession

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
    # Spark would make one task of the little that these tests shuffle.
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    "spark.sql.session.timeZone": "America/New_York",
}

QUICK = {
    # Tests end before optimized code would pay off.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}


def home(folder: Path) -> Path:
    """Spark's folder with another place for what executors write, which is below it."""
    found = folder / "spark"
    found.mkdir(parents=True, exist_ok=True)
    for path in Path(pyspark.__file__).parent.iterdir():
        if path.name != "work" and not (found / path.name).exists():
            (found / path.name).symlink_to(path)
    return found


def session(master: str, folder: Path, settings: dict[str, str] | None = None) -> SparkSession:
    """A new session, in which carwalk is registered. Its files are below a folder."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_HOME"] = str(home(folder))
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = SparkSession.builder.master(master).appName("carwalk")
    places = {
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    for name, value in (SETTINGS | places | (settings or {})).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    carwalk.spark.register(spark)
    return spark
