-- The lines of a queue in their order, with the last place of each: some steps in the key for each
-- priority in use, however many jobs wait.
WITH RECURSIVE used (priority) AS (
    SELECT max(priority) FROM jobhost_ready WHERE queue = :queue
    UNION ALL
    SELECT (
        SELECT max(r.priority) FROM jobhost_ready r
        WHERE r.queue = :queue AND r.priority < u.priority
    )
    FROM used u WHERE u.priority IS NOT NULL
    LIMIT :limit
), lane (number) AS (VALUES (0), (1))
SELECT u.priority, l.number, (
    SELECT max(r.seq) FROM jobhost_ready r
    WHERE r.queue = :queue AND r.priority = u.priority AND r.lane = l.number
)
FROM used u CROSS JOIN lane l
WHERE u.priority IS NOT NULL
ORDER BY u.priority DESC, l.number
