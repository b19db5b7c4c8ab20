-- The queues that are paused, and since how long: people have paused them, one by one.
SELECT name, :now - paused_at FROM jobhost.queue
WHERE paused_at IS NOT NULL ORDER BY name LIMIT :limit
