-- Guarded by job, epoch, node and the writer's live lease. :ended is a JSON list of
-- [job, epoch, duration_us, result]; CROSS JOIN keeps SQLite from scanning the running table.
INSERT INTO jobhost_done
    (job, state, reason, outcome, ended_at, epoch, node, claimed_at, duration_us,
     deliveries, failures, crashes, result, error)
SELECT r.job, 'succeeded', NULL, 'succeeded', :now, r.epoch, r.node, r.claimed_at,
    json_extract(e.value, '$[2]'), r.deliveries, r.failures, r.crashes,
    json_extract(e.value, '$[3]'), NULL
FROM json_each(:ended) e
CROSS JOIN jobhost_running r
    ON r.job = json_extract(e.value, '$[0]') AND r.epoch = json_extract(e.value, '$[1]')
WHERE r.node = :node
    AND EXISTS (SELECT 1 FROM jobhost_node WHERE number = :writer AND lease_until > :now)
