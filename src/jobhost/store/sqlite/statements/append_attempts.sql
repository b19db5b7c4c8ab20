-- One row for each attempt that ended without ending its job. Guarded as `complete`.
INSERT INTO jobhost_attempt
    (job, epoch, outcome, node, claimed_at, ended_at, duration_us, error)
SELECT r.job, r.epoch, json_extract(e.value, '$.outcome'), r.node, r.claimed_at, :now,
    json_extract(e.value, '$.duration_us'), json_extract(e.value, '$.error')
FROM json_each(:ended) e
CROSS JOIN jobhost_running r
    ON r.job = json_extract(e.value, '$.job') AND r.epoch = json_extract(e.value, '$.epoch')
WHERE r.node = :node
    AND EXISTS (SELECT 1 FROM jobhost_node WHERE number = :writer AND lease_until > :now)
