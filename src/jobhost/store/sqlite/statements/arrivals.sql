-- What was accepted lately, by queue and priority: of the newest jobs, up to a bound, those within
-- the window. With the instant of the oldest of them, since the bound may be the shorter.
SELECT n.queue, n.priority, count(*), min(n.created_at), :now
FROM (
    SELECT queue, priority, created_at FROM jobhost_job ORDER BY number DESC LIMIT :limit
) n
WHERE n.created_at > :now - :window_us
GROUP BY n.queue, n.priority
