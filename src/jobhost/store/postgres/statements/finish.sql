-- Ends jobs in any final way. :ended is a JSON list of objects. Guarded by job, epoch, node and
-- the writer's lease, which `hold_lease` found live and has locked: read again by the clock it
-- could end between two statements of one settling. The lock on the row makes sure that it is
-- still there to leave.
INSERT INTO jobhost.done
    (job, state, reason, outcome, ended_at, epoch, node, claimed_at, duration_us,
     deliveries, failures, crashes, result, error)
SELECT r.job, e.state, e.reason, e.outcome, :now, r.epoch, r.node, r.claimed_at, e.duration_us,
    r.deliveries, e.failures, e.crashes, NULL, e.error
FROM json_to_recordset(:ended) AS e (
    job bigint, epoch integer, state text, reason text, outcome text, duration_us bigint,
    failures integer, crashes integer, error text
)
JOIN jobhost.running r ON r.job = e.job AND r.epoch = e.epoch
WHERE r.node = :node
    AND EXISTS (SELECT FROM jobhost.node WHERE number = :writer AND ended_at IS NULL)
ORDER BY r.job
FOR UPDATE OF r
