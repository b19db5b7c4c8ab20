-- The queues in which jobs are ready: one step in the index for each, however many jobs wait.
WITH RECURSIVE waiting (queue) AS (
    SELECT min(queue) FROM jobhost_ready
    UNION ALL
    SELECT (SELECT min(r.queue) FROM jobhost_ready r WHERE r.queue > w.queue)
    FROM waiting w WHERE w.queue IS NOT NULL
)
SELECT queue FROM waiting WHERE queue IS NOT NULL
