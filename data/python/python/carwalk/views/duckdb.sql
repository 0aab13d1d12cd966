-- Views over the table `records`, one for each common kind of record, for DuckDB.
--
-- `carwalk.duckdb.connect` and `python -m carwalk sql` create them. To use them over an export,
-- first create `records` from its files:
--
--     create view records as from 'rows/*.parquet';
--     create view records as from read_json('rows/*.jsonl', columns = {did: 'VARCHAR',
--         collection: 'VARCHAR', rkey: 'VARCHAR', cid: 'VARCHAR', created_at: 'TIMESTAMPTZ',
--         subject: 'VARCHAR', record: 'JSON'});
--
-- The first columns of all views are did, rkey, uri and created_at. A string of `record` is
-- returned as its text, a missing value or null as null, and any other value as JSON.

create or replace view posts as
select
    did,
    rkey,
    'at://' || did || '/' || collection || '/' || rkey as uri,
    created_at,
    cid,
    record->>'$.text' as text,
    record->>'$.langs' as langs, -- the array as JSON, such as ["en"]
    record->>'$.reply.root.uri' as reply_root,
    record->>'$.reply.parent.uri' as reply_parent
from records
where collection = 'app.bsky.feed.post';

-- The subject of a like or a repost is the URI of a record, usually a post.
create or replace view likes as
select
    did,
    rkey,
    'at://' || did || '/' || collection || '/' || rkey as uri,
    created_at,
    subject
from records
where collection = 'app.bsky.feed.like';

create or replace view reposts as
select
    did,
    rkey,
    'at://' || did || '/' || collection || '/' || rkey as uri,
    created_at,
    subject
from records
where collection = 'app.bsky.feed.repost';

-- The subject of a follow or a block is the DID of an account.
create or replace view follows as
select
    did,
    rkey,
    'at://' || did || '/' || collection || '/' || rkey as uri,
    created_at,
    subject
from records
where collection = 'app.bsky.graph.follow';

create or replace view blocks as
select
    did,
    rkey,
    'at://' || did || '/' || collection || '/' || rkey as uri,
    created_at,
    subject
from records
where collection = 'app.bsky.graph.block';

create or replace view profiles as
select
    did,
    rkey,
    'at://' || did || '/' || collection || '/' || rkey as uri,
    created_at,
    record->>'$.displayName' as display_name,
    record->>'$.description' as description
from records
where collection = 'app.bsky.actor.profile';

create or replace view lists as
select
    did,
    rkey,
    'at://' || did || '/' || collection || '/' || rkey as uri,
    created_at,
    record->>'$.name' as name,
    record->>'$.purpose' as purpose
from records
where collection = 'app.bsky.graph.list';
