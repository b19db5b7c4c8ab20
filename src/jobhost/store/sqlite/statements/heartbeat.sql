-- Renews a lease that is still live, and with it those of the workers whose supervisor this node
-- is. The node's own row is not among those returned: the lease was lost, and with it all jobs.
UPDATE jobhost_node
SET heartbeat_at = :now, lease_until = :now + :lease_us,
    vitals = CASE WHEN number = :node THEN coalesce(:vitals, vitals) ELSE vitals END
WHERE ended_at IS NULL AND (number = :node OR supervisor = :node) AND lease_until > :now
    AND EXISTS (SELECT 1 FROM jobhost_node s WHERE s.number = :node AND s.lease_until > :now)
RETURNING
    number,
    drain_requested_at IS NOT NULL,
    EXISTS (SELECT 1 FROM jobhost_blocked WHERE suspect_of IS NOT NULL) AND (
        kind = 'node' OR NOT EXISTS (
            SELECT 1 FROM jobhost_node o
            WHERE o.ended_at IS NULL AND o.lease_until > :now AND o.kind = 'node'
        )
    )
