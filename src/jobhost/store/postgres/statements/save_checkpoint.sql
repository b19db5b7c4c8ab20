-- What the next attempt of a job gets from this one. Guarded by job, epoch and the live lease of
-- the node that holds it; the row stays locked until the commit, so that a rescue waits for it. A
-- row given back means that it is kept.
INSERT INTO jobhost.checkpoint (job, epoch, state, saved_at)
SELECT r.job, r.epoch, :state, :now
FROM jobhost.running r
WHERE r.job = :job AND r.epoch = :epoch AND coalesce(
    (SELECT n.lease_until > :now FROM jobhost.node n WHERE n.number = r.node), false
)
FOR UPDATE OF r
ON CONFLICT (job) DO UPDATE SET
    epoch = excluded.epoch, state = excluded.state, saved_at = excluded.saved_at
RETURNING job
