-- Views over the table `records`, one for each common kind of record, for Apache Spark.
--
-- `carwalk.spark.create_views` creates them. To use them over records that were exported as Parquet
-- or JSON Lines, first create `records` from the files:
--
--     create temporary view records using parquet options (path 'out');
--
-- The views need the columns did, collection, rkey, cid, created_at, subject and record. A string
-- of `record` is returned as its text, a missing value or null as NULL, and any other value as
-- JSON.
--
-- Spark writes this JSON in its own form. It escapes characters above U+FFFF, and changes the form
-- of numbers with a fraction or an exponent (1.0E21 for 1e21), which valid records do not have.
-- Strings that are returned as text are not changed. If a record has a field name of more than
-- 50,000 characters, all values read from it are NULL.

create or replace temporary view posts as
select
    did,
    rkey,
    concat('at://', did, '/', collection, '/', rkey) as uri,
    created_at,
    cid,
    get_json_object(record, '$.text') as text,
    get_json_object(record, '$.langs') as langs,
    get_json_object(record, '$.reply.root.uri') as reply_root,
    get_json_object(record, '$.reply.parent.uri') as reply_parent
from records
where collection = 'app.bsky.feed.post';

create or replace temporary view likes as
select did, rkey, concat('at://', did, '/', collection, '/', rkey) as uri, created_at, subject
from records
where collection = 'app.bsky.feed.like';

create or replace temporary view reposts as
select did, rkey, concat('at://', did, '/', collection, '/', rkey) as uri, created_at, subject
from records
where collection = 'app.bsky.feed.repost';

create or replace temporary view follows as
select did, rkey, concat('at://', did, '/', collection, '/', rkey) as uri, created_at, subject
from records
where collection = 'app.bsky.graph.follow';

create or replace temporary view blocks as
select did, rkey, concat('at://', did, '/', collection, '/', rkey) as uri, created_at, subject
from records
where collection = 'app.bsky.graph.block';

create or replace temporary view profiles as
select
    did,
    rkey,
    concat('at://', did, '/', collection, '/', rkey) as uri,
    created_at,
    get_json_object(record, '$.displayName') as display_name,
    get_json_object(record, '$.description') as description
from records
where collection = 'app.bsky.actor.profile';

create or replace temporary view lists as
select
    did,
    rkey,
    concat('at://', did, '/', collection, '/', rkey) as uri,
    created_at,
    get_json_object(record, '$.name') as name,
    get_json_object(record, '$.purpose') as purpose
from records
where collection = 'app.bsky.graph.list';
