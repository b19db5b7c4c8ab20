-- The tables of the store: whether autovacuum may sweep them, and their dead rows.
SELECT
    c.relname,
    NOT coalesce((
        SELECT option_value::boolean FROM pg_options_to_table(c.reloptions)
        WHERE option_name = 'autovacuum_enabled'
    ), true),
    coalesce(s.n_live_tup, 0),
    coalesce(s.n_dead_tup, 0),
    s.last_autovacuum
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE n.nspname = :schema AND c.relkind = 'r'
ORDER BY c.relname
