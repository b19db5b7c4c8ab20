-- The completion of one job as the last statement of its task's own transaction. Guarded by job,
-- epoch and the live lease of the node that holds it.
INSERT INTO jobhost_done
    (job, state, outcome, ended_at, epoch, node, claimed_at, duration_us, deliveries, failures,
     crashes, result)
SELECT r.job, 'succeeded', 'succeeded', :now, r.epoch, r.node, r.claimed_at, :duration_us,
    r.deliveries, r.failures, r.crashes, :result
FROM jobhost_running r
CROSS JOIN jobhost_node n ON n.number = r.node
WHERE r.job = :job AND r.epoch = :epoch AND n.lease_until > :now
RETURNING node
