-- Guarded by job, epoch, node and the writer's live lease. CROSS JOIN keeps SQLite from
-- scanning the running table. No result is JSON text, so it is stored as it came.
INSERT INTO jobhost_done
    (job, state, reason, outcome, ended_at, epoch, node, claimed_at, duration_us,
     deliveries, failures, crashes, result, error)
WITH ended (job, epoch, duration_us, result) AS (VALUES (?, ?, ?, ?))
SELECT r.job, 'succeeded', NULL, 'succeeded', :now, r.epoch, r.node, r.claimed_at,
    e.duration_us, r.deliveries, r.failures, r.crashes, e.result, NULL
FROM ended e
CROSS JOIN jobhost_running r ON r.job = e.job AND r.epoch = e.epoch
WHERE r.node = :node
    AND EXISTS (SELECT 1 FROM jobhost_node WHERE number = :writer AND lease_until > :now)
