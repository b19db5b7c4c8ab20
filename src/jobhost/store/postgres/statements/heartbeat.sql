-- Renews a lease that is still live, and tells what there is to do. No row: the lease was lost,
-- and with it all jobs. Each look is one step in an index, whatever the number of workers. A cancel
-- that was entered while its job just succeeded is swept away.
WITH late AS (
    DELETE FROM jobhost.cancellation c
    WHERE (SELECT true FROM jobhost.done d WHERE d.job = c.job LIMIT 1)
)
UPDATE jobhost.node SET heartbeat_at = :now, lease_until = :now + :lease_us
WHERE number = :node AND lease_until > :now
RETURNING
    EXISTS (
        SELECT FROM jobhost.node o
        WHERE o.ended_at IS NULL AND o.lease_until <= :now AND o.number <> :node
    ),
    (SELECT due_at FROM jobhost.scheduled ORDER BY due_at LIMIT 1) - :now,
    EXISTS (
        SELECT FROM json_array_elements_text(queues) q (name)
        CROSS JOIN LATERAL (SELECT FROM jobhost.ready r WHERE r.queue = q.name LIMIT 1) waiting
    ),
    EXISTS (SELECT FROM jobhost.blocked)
