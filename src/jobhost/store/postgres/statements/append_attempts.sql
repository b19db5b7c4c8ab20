-- One row for each attempt that ended without ending its job. Guarded as `finish`.
INSERT INTO jobhost.attempt (job, epoch, outcome, node, claimed_at, ended_at, duration_us, error)
SELECT r.job, r.epoch, e.outcome, r.node, r.claimed_at, :now, e.duration_us, e.error
FROM json_to_recordset(:ended)
    AS e (job bigint, epoch integer, outcome text, duration_us bigint, error text)
JOIN jobhost.running r ON r.job = e.job AND r.epoch = e.epoch
WHERE r.node = :node
    AND EXISTS (SELECT FROM jobhost.node WHERE number = :writer AND ended_at IS NULL)
ORDER BY r.job
FOR UPDATE OF r
