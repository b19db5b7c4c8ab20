-- The queues in which jobs are ready or set aside: one step in an index for each, however many jobs
-- wait.
WITH RECURSIVE waiting (queue) AS (
    (SELECT queue FROM jobhost.ready ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT r.queue FROM jobhost.ready r WHERE r.queue > w.queue ORDER BY r.queue LIMIT 1)
    FROM waiting w WHERE w.queue IS NOT NULL
), aside (queue) AS (
    (SELECT queue FROM jobhost.blocked ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT b.queue FROM jobhost.blocked b WHERE b.queue > a.queue ORDER BY b.queue LIMIT 1)
    FROM aside a WHERE a.queue IS NOT NULL
)
SELECT queue FROM waiting WHERE queue IS NOT NULL
UNION SELECT queue FROM aside WHERE queue IS NOT NULL
