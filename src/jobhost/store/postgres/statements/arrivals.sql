-- What was accepted lately, by queue and priority: of the newest jobs, up to a bound, those within
-- the window. With the instant of the oldest of them, since the bound may be the shorter.
SELECT n.queue, n.priority, count(*), min(n.created_at), :now
FROM (
    SELECT j.queue, j.priority, j.created_at FROM jobhost.job j ORDER BY j.number DESC LIMIT :limit
) n
WHERE n.created_at > :now - :window_us
GROUP BY n.queue, n.priority
