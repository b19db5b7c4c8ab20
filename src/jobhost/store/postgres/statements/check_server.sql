-- What the server is, how it keeps its word, and what time it has.
SELECT
    current_setting('server_version_num')::integer,
    current_setting('server_version'),
    pg_is_in_recovery(),
    current_setting('fsync')::boolean,
    current_setting('full_page_writes')::boolean,
    current_setting('synchronous_commit'),
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean
