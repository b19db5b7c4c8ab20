-- What is said of one queue.
SELECT name, paused_at, pause_reason, capacity, when_full, wait_us, expires_us, dropped,
    objective_us, hours, zone, open_from, open_until, raise_after_us, :now
FROM jobhost_queue WHERE name = :queue
