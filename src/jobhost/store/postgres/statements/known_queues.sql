-- The names of queues that anything is known of: jobs wait or run in them, somebody said something
-- of them, or a living worker serves them. One step in an index for each queue with waiting jobs.
WITH RECURSIVE waiting (queue) AS (
    (SELECT queue FROM jobhost.ready ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT r.queue FROM jobhost.ready r WHERE r.queue > w.queue ORDER BY r.queue LIMIT 1)
    FROM waiting w WHERE w.queue IS NOT NULL
)
SELECT queue FROM waiting WHERE queue IS NOT NULL
UNION SELECT queue FROM jobhost.running
UNION SELECT name FROM jobhost.queue
UNION SELECT json_array_elements_text(n.queues) FROM jobhost.node n
WHERE n.ended_at IS NULL AND n.lease_until > :now
ORDER BY 1
LIMIT :limit
