-- What the server is, how it keeps its word, what time it has, what text it can store, and two of
-- our own settings as they have arrived.
SELECT
    current_setting('server_version_num')::integer,
    current_setting('server_version'),
    pg_is_in_recovery(),
    current_setting('fsync')::boolean,
    current_setting('full_page_writes')::boolean,
    current_setting('synchronous_commit'),
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean,
    current_setting('server_encoding'),
    current_setting('plan_cache_mode'),
    current_setting('statement_timeout')
