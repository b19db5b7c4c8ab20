-- Renews a lease that is still live, and with it those of the workers whose supervisor this node
-- is; for the node itself it tells whether there are suspects of its tasks in its queues, to a
-- worker only of those that no living node takes care of. The node's own row is not among those
-- returned: the lease was lost, and with it all jobs. Without suspects that costs one step in an
-- index, with them one for each task and queue of its own.
UPDATE jobhost_node
SET heartbeat_at = :now, lease_until = :now + :lease_us,
    vitals = CASE WHEN number = :node THEN coalesce(:vitals, vitals) ELSE vitals END
WHERE ended_at IS NULL AND (number = :node OR supervisor = :node) AND lease_until > :now
    AND EXISTS (SELECT 1 FROM jobhost_node s WHERE s.number = :node AND s.lease_until > :now)
RETURNING
    number,
    drain_requested_at IS NOT NULL,
    CASE WHEN number = :node AND EXISTS (SELECT 1 FROM jobhost_blocked WHERE suspect_of IS NOT NULL)
    THEN EXISTS (
        SELECT 1 FROM json_each(tasks) t CROSS JOIN json_each(queues) q
        WHERE q.value NOT IN (
                SELECT name FROM jobhost_queue
                WHERE (paused_at IS NOT NULL OR open_until IS NOT NULL)
                    AND (paused_at IS NOT NULL OR open_from > :now OR open_until <= :now)
            )
            AND (kind = 'node' OR (t.value, q.value) NOT IN (
                SELECT ot.value, oq.value
                FROM jobhost_node o, json_each(o.tasks) ot, json_each(o.queues) oq
                WHERE o.ended_at IS NULL AND o.lease_until > :now AND o.kind = 'node'
            )) AND EXISTS (
                SELECT 1 FROM jobhost_blocked b
                WHERE b.suspect_of IS NOT NULL AND b.task = t.value AND +b.queue = q.value
            )
    ) END
