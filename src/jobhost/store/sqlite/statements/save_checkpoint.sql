-- What the next attempt of a job gets from this one. Guarded by job, epoch and the live lease of
-- the node that holds it. A row given back means that it is kept.
INSERT INTO jobhost_checkpoint (job, epoch, state, saved_at)
SELECT r.job, r.epoch, :state, :now
FROM jobhost_running r
CROSS JOIN jobhost_node n ON n.number = r.node
WHERE r.job = :job AND r.epoch = :epoch AND n.lease_until > :now
ON CONFLICT (job) DO UPDATE SET
    epoch = excluded.epoch, state = excluded.state, saved_at = excluded.saved_at
RETURNING job
