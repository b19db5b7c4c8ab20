-- The completion of one job as the last statement of its task's own transaction. Guarded by job,
-- epoch and the live lease of the node that holds it; the deleted row stays locked until the
-- commit, so that a rescue waits for it and then finds nothing.
WITH gone AS (
    DELETE FROM jobhost.running r USING jobhost.node n
    WHERE r.job = :job AND r.epoch = :epoch AND n.number = r.node AND n.lease_until > :now
    RETURNING r.job, r.epoch, r.node, r.claimed_at, r.deliveries, r.failures, r.crashes
), overtaken AS (
    DELETE FROM jobhost.cancellation WHERE job IN (SELECT job FROM gone)
)
INSERT INTO jobhost.done
    (job, state, outcome, ended_at, epoch, node, claimed_at, duration_us, deliveries, failures,
     crashes, result)
SELECT job, 'succeeded', 'succeeded', :now, epoch, node, claimed_at, :duration_us, deliveries,
    failures, crashes, :result
FROM gone
RETURNING job
