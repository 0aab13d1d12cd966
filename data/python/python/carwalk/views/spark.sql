-- Views over a table or view `records` with the columns of carwalk, for Apache Spark.
-- Also for records exported as Parquet or JSON Lines:
--     create temporary view records using parquet options (path 'out');
-- The columns did, collection, rkey, cid, created_at, subject and record are needed.
-- A value that is not a string is its JSON text; a missing value or null is NULL.
-- Spark writes JSON text in its own form: numbers with a fraction, which the AT Protocol has none of
-- (1.0E21 for 1e21), and characters after U+FFFF, which it escapes. Texts that are values of their
-- own are not changed. A record that has a name of more than 50,000 characters has only NULLs.

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
