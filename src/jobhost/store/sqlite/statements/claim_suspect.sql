-- The next suspect: of the oldest death first, and there the newest job, which is the likeliest.
-- A node's lane, which has a supervisor, takes those in its node's queues; another worker those in
-- its own of which no living node serves task and queue. What is asked of the nodes is made once,
-- and the plus keeps the index on tasks away, which would have all of them sorted first.
SELECT b.job, b.epoch + 1, b.deliveries + 1, b.failures, b.crashes, b.queue, b.priority,
    j.id, b.task, j.payload, j.envelope, j.parent, j.created_at, 0, 0
FROM jobhost_blocked b
CROSS JOIN jobhost_job j ON j.number = b.job
WHERE b.suspect_of IS NOT NULL AND +b.task IN (SELECT value FROM json_each(:tasks))
    AND +b.queue NOT IN (
        SELECT name FROM jobhost_queue
        WHERE (paused_at IS NOT NULL OR open_until IS NOT NULL)
            AND (paused_at IS NOT NULL OR open_from > :now OR open_until <= :now)
    )
    AND +b.queue IN (
        SELECT q.value FROM jobhost_node me, jobhost_node s, json_each(s.queues) q
        WHERE me.number = :node AND s.number = coalesce(me.supervisor, me.number)
    )
    AND ((SELECT supervisor FROM jobhost_node WHERE number = :node) IS NOT NULL
        OR (+b.task, +b.queue) NOT IN (
            SELECT t.value, q.value
            FROM jobhost_node o, json_each(o.tasks) t, json_each(o.queues) q
            WHERE o.ended_at IS NULL AND o.lease_until > :now AND o.kind = 'node'
        ))
ORDER BY b.suspect_of, b.job DESC
LIMIT 1
