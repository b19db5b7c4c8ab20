-- Renews a lease that is still live, and with it those of the workers whose supervisor this node
-- is; for the node itself it tells what there is to do. The node's own row is not among those
-- returned: the lease was lost, and with it all jobs. Each look is one step in an index, whatever
-- the number of workers; where there are suspects it is one for each task and queue of its own, less
-- those that some living node takes care of, which are not a plain worker's. It waits for nobody who
-- holds a lease (`hold_lease`). A cancel that was entered while its job just succeeded is swept away.
WITH late AS (
    DELETE FROM jobhost.cancellation c
    WHERE (SELECT true FROM jobhost.done d WHERE d.job = c.job LIMIT 1)
)
UPDATE jobhost.node
SET heartbeat_at = :now, lease_until = :now + :lease_us,
    vitals = CASE WHEN number = :node THEN coalesce(:vitals, vitals) ELSE vitals END
WHERE ended_at IS NULL AND (number = :node OR supervisor = :node) AND lease_until > :now
    AND EXISTS (SELECT FROM jobhost.node s WHERE s.number = :node AND s.lease_until > :now)
RETURNING
    number,
    drain_requested_at IS NOT NULL,
    CASE WHEN number = :node AND EXISTS (SELECT FROM jobhost.blocked WHERE suspect_of IS NOT NULL)
    THEN EXISTS (
        SELECT FROM json_array_elements_text(tasks) t (name)
        CROSS JOIN json_array_elements_text(queues) q (name)
        CROSS JOIN LATERAL (
            SELECT FROM jobhost.blocked b
            WHERE b.suspect_of IS NOT NULL AND b.task = t.name AND b.queue = q.name
            LIMIT 1
        ) waiting
        WHERE q.name <> ALL (ARRAY(
                SELECT name FROM jobhost.queue
                WHERE (paused_at IS NOT NULL OR open_until IS NOT NULL)
                    AND (paused_at IS NOT NULL OR open_from > :now OR open_until <= :now)
            ))
            AND (kind = 'node' OR (t.name, q.name) NOT IN (
                SELECT ot.name, oq.name
                FROM jobhost.node o
                CROSS JOIN LATERAL json_array_elements_text(o.tasks) ot (name)
                CROSS JOIN LATERAL json_array_elements_text(o.queues) oq (name)
                WHERE o.ended_at IS NULL AND o.lease_until > :now AND o.kind = 'node'
            ))
    ) END,
    CASE WHEN number = :node THEN EXISTS (
        SELECT FROM jobhost.node o
        WHERE o.ended_at IS NULL AND o.lease_until <= :now AND o.number <> :node
            AND o.supervisor IS DISTINCT FROM :node
    ) END,
    CASE WHEN number = :node THEN
        least(
            (SELECT due_at FROM jobhost.scheduled ORDER BY due_at LIMIT 1),
            (SELECT expires_at FROM jobhost.expiry ORDER BY expires_at, job LIMIT 1),
            (SELECT min(CASE WHEN open_from > :now THEN open_from ELSE open_until END)
             FROM jobhost.queue WHERE open_until IS NOT NULL)
        ) - :now
    END,
    CASE WHEN number = :node THEN EXISTS (
        SELECT FROM json_array_elements_text(queues) q (name)
        CROSS JOIN LATERAL (SELECT FROM jobhost.ready r WHERE r.queue = q.name LIMIT 1) waiting
    ) END,
    CASE WHEN number = :node THEN EXISTS (
        SELECT FROM jobhost.blocked WHERE suspect_of IS NULL AND deferred_at IS NULL
    ) END
