-- The names of queues that anything is known of: jobs wait or run in them, somebody said something
-- of them, or a living worker serves them. One step in a key for each queue with waiting jobs.
WITH RECURSIVE waiting (queue) AS (
    SELECT min(queue) FROM jobhost_ready
    UNION ALL
    SELECT (SELECT min(r.queue) FROM jobhost_ready r WHERE r.queue > w.queue)
    FROM waiting w WHERE w.queue IS NOT NULL
)
SELECT queue FROM waiting WHERE queue IS NOT NULL
UNION SELECT queue FROM jobhost_running
UNION SELECT name FROM jobhost_queue
UNION SELECT e.value FROM jobhost_node n CROSS JOIN json_each(n.queues) e
WHERE n.ended_at IS NULL AND n.lease_until > :now
ORDER BY 1
LIMIT :limit
