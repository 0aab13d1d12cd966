"""Counts posts per day and language in Apache Spark, and writes the counts as Parquet.

    spark-submit posts_per_day.py INPUT OUTPUT

INPUT is a folder of CARs, one per account, that all machines mount. With `--manifest`, it is a file
that lists the CARs. A post in two languages counts for both, and a post without a language counts
for the language null. Files that fail are left out and listed at the end on standard error. The
exit code is then 1.
"""

from __future__ import annotations

import argparse
import sys

import carwalk.spark
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as f


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", help="a file or folder of CARs")
    parser.add_argument("output", help="a new folder, for Parquet files")
    parser.add_argument("--manifest", action="store_true", help="INPUT lists CARs: path TAB bytes")
    parser.add_argument("--partition-bytes", default="134217728", help="bytes of CARs per task")
    return parser.parse_args()


def cars(spark: SparkSession, args: argparse.Namespace) -> DataFrameReader:
    """Returns a new reader. `option` modifies a reader, so each table needs its own."""
    reader = spark.read.format("carwalk").option("partition_bytes", args.partition_bytes)
    return reader.option("manifest" if args.manifest else "path", args.input)


def posts_per_day(posts: DataFrame) -> DataFrame:
    languages = f.from_json(f.get_json_object("record", "$.langs"), "array<string>")
    days = posts.select(
        f.to_date("created_at").alias("day"), f.explode_outer(languages).alias("language")
    )
    return days.groupBy("day", "language").agg(f.count("*").alias("posts"))


def main() -> int:
    args = arguments()
    # The days are those of UTC, wherever the job runs.
    builder = SparkSession.builder.appName("posts per day")
    spark = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    carwalk.spark.register(spark)
    reader = cars(spark, args).option("collections", "app.bsky.feed.post")
    reader = reader.option("columns", "created_at,record")
    # With `all`, no post of a file with a damaged block is counted. Without it, only the blocks of
    # the posts would be verified. Of a partial file, the posts before a missing block may count.
    posts = reader.option("on_error", "skip").option("verify", "all").load()
    days = posts_per_day(posts)
    days.coalesce(1).sortWithinPartitions("day", "language").write.parquet(args.output)
    # This reads all files again, and verifies them completely.
    files = cars(spark, args).option("table", "files").load()
    failed = files.where("outcome = 'failed'").orderBy("path")
    count = 0
    for count, file in enumerate(failed.toLocalIterator(), 1):
        print(f"{file.path}: {file.reason}: {file.error}", file=sys.stderr)
    spark.stop()
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
