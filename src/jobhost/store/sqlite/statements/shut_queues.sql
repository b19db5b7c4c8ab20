-- Of which of these queues nothing is started now: those that are paused, or closed by their hours.
SELECT name, paused_at, pause_reason, capacity, when_full, wait_us, expires_us, dropped,
    objective_us, hours, zone, open_from, open_until, raise_after_us, :now
FROM jobhost_queue
WHERE name IN (SELECT value FROM json_each(:queues))
    AND (paused_at IS NOT NULL OR open_from > :now OR open_until <= :now)
ORDER BY name
