-- Connections in use, and how many there may be for those who are no superusers.
SELECT
    (SELECT sum(numbackends) FROM pg_stat_database),
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0)
