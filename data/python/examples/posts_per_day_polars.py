"""Counts posts per day and language with Polars: `python posts_per_day_polars.py INPUT OUTPUT`.

OUTPUT is a Parquet file. The first file that fails ends the program with an error.
"""

import sys

import carwalk
import polars
from polars import col

posts = carwalk.scan_polars(sys.argv[1], collections="app.bsky.feed.post")
# Odd records can have any value in `langs`, so it is not decoded as a list of strings.
languages = col("record").str.json_path_match("$.langs").str.extract_all('"[^"]*"')
(
    posts.select(col("created_at").dt.date().alias("day"), languages.alias("language"))
    .explode("language")
    .with_columns(col("language").str.strip_chars('"'))
    .group_by("day", "language")
    .agg(polars.len().cast(polars.Int64).alias("posts"))
    .sort("day", "language")
    .sink_parquet(sys.argv[2])
)
