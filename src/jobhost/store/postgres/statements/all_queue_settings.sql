-- What is said of all queues: as many rows as people have named.
SELECT name, paused_at, pause_reason, capacity, when_full, wait_us, expires_us, dropped,
    objective_us, hours, zone, open_from, open_until, raise_after_us, :now
FROM jobhost.queue ORDER BY name LIMIT :limit
