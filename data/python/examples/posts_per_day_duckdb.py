"""Counts posts per day and language with DuckDB: `python posts_per_day_duckdb.py INPUT OUTPUT`.

OUTPUT is a Parquet file. Files that fail are left out and listed, and the exit code is then 1.
Posts before the fault may be counted.
"""

import sys

import carwalk.duckdb

QUERY = """
    with posts as (
        select created_at::date as day, json_extract_string(record, '$.langs[*]') as languages
        from records
    )
    select day, unnest(if(len(languages) > 0, languages, [null])) as language, count(*) as posts
    from posts
    group by day, language
    order by day, language
"""

posts = "app.bsky.feed.post"
with carwalk.duckdb.connect(sys.argv[1], collections=posts, on_error="skip") as cars:
    cars.sql(QUERY).write_parquet(sys.argv[2])
    failures = cars.failures
for failure in failures:
    print(f"{failure.path}: {failure.reason}: {failure.error}", file=sys.stderr)
sys.exit(1 if failures else 0)
