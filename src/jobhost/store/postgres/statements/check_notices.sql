-- How full the queue of notices is, which all databases of the server share, and the process with
-- the oldest transaction: it is the first to ask. A login without pg_read_all_stats sees none.
SELECT pg_notification_queue_usage(), (
    SELECT pid FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname IS NOT NULL AND xact_start IS NOT NULL
    ORDER BY xact_start LIMIT 1
)
