-- The next suspect, locked: of the oldest death first, and there the newest job, which is the
-- likeliest. A node's lane, which has a supervisor, takes those in its node's queues; another worker
-- those in its own of which no living node serves task and queue. What is asked of the nodes is a
-- value by itself and the job is looked up afterwards, so that the index gives the order and the
-- first row ends the look, however many are set aside.
SELECT b.job, b.epoch + 1, b.deliveries + 1, b.failures, b.crashes, b.queue, b.priority,
    uuid_send(j.id), b.task, j.payload, j.envelope, uuid_send(j.parent), j.created_at, 0, 0
FROM (
    SELECT * FROM jobhost.blocked
    WHERE suspect_of IS NOT NULL AND task = ANY (ARRAY(SELECT json_array_elements_text(:tasks)))
        AND queue <> ALL (ARRAY(
            SELECT name FROM jobhost.queue
            WHERE (paused_at IS NOT NULL OR open_until IS NOT NULL)
                AND (paused_at IS NOT NULL OR open_from > :now OR open_until <= :now)
        ))
        AND queue = ANY (ARRAY(
            SELECT json_array_elements_text(s.queues) FROM jobhost.node s WHERE s.number = (
                SELECT coalesce(me.supervisor, me.number) FROM jobhost.node me
                WHERE me.number = :node
            )
        ))
        AND ((SELECT supervisor FROM jobhost.node WHERE number = :node) IS NOT NULL
            OR (task, queue) NOT IN (
                SELECT t.name, q.name
                FROM jobhost.node o
                CROSS JOIN LATERAL json_array_elements_text(o.tasks) t (name)
                CROSS JOIN LATERAL json_array_elements_text(o.queues) q (name)
                WHERE o.ended_at IS NULL AND o.lease_until > :now AND o.kind = 'node'
            ))
    ORDER BY suspect_of, job DESC
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) b
CROSS JOIN LATERAL (SELECT * FROM jobhost.job WHERE number = b.job LIMIT 1) j
