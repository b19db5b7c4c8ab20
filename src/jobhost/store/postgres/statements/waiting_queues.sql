-- The queues in which jobs are ready: one step in the index for each, however many jobs wait.
WITH RECURSIVE waiting (queue) AS (
    (SELECT queue FROM jobhost.ready ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT r.queue FROM jobhost.ready r WHERE r.queue > w.queue ORDER BY r.queue LIMIT 1)
    FROM waiting w WHERE w.queue IS NOT NULL
)
SELECT queue FROM waiting WHERE queue IS NOT NULL
