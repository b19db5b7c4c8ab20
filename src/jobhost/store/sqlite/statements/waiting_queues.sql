-- The queues in which jobs are ready or set aside: one step in an index for each, however many jobs
-- wait.
WITH RECURSIVE waiting (queue) AS (
    SELECT min(queue) FROM jobhost_ready
    UNION ALL
    SELECT (SELECT min(r.queue) FROM jobhost_ready r WHERE r.queue > w.queue)
    FROM waiting w WHERE w.queue IS NOT NULL
), aside (queue) AS (
    SELECT min(queue) FROM jobhost_blocked
    UNION ALL
    SELECT (SELECT min(b.queue) FROM jobhost_blocked b WHERE b.queue > a.queue)
    FROM aside a WHERE a.queue IS NOT NULL
)
SELECT queue FROM waiting WHERE queue IS NOT NULL
UNION SELECT queue FROM aside WHERE queue IS NOT NULL
