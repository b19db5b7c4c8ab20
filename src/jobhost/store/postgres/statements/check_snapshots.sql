-- Who keeps dead rows from being removed: old transactions of this database, transactions that
-- were prepared and forgotten, and replicas. And the slots of lost replicas that keep nothing but
-- the log: their "age" is in bytes. The age of a stranger's transaction is hidden from a
-- login without pg_read_all_stats; then it comes as NULL.
SELECT 'transaction', a.pid::text, a.usename::text, a.application_name, a.state,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.datname = current_database()
    AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
    AND (a.xact_start IS NULL OR a.xact_start <= clock_timestamp() - :seconds * interval '1 second')
UNION ALL
SELECT 'prepared', p.gid, p.owner::text, '', 'prepared',
    extract(epoch FROM clock_timestamp() - p.prepared)::float8
FROM pg_prepared_xacts p
WHERE p.database = current_database()
    AND p.prepared <= clock_timestamp() - :seconds * interval '1 second'
UNION ALL
SELECT 'slot', s.slot_name::text, '', s.slot_type, CASE WHEN s.active THEN 'active' ELSE 'inactive' END,
    age(s.xmin)::float8
FROM pg_replication_slots s
WHERE s.xmin IS NOT NULL
UNION ALL
SELECT 'log', s.slot_name::text, '', s.slot_type, 'inactive',
    pg_wal_lsn_diff(
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
        s.restart_lsn
    )::float8
FROM pg_replication_slots s
WHERE s.xmin IS NULL AND NOT s.active AND s.restart_lsn IS NOT NULL
ORDER BY 6 DESC NULLS LAST
LIMIT :limit
