-- Ends jobs in any other final way. :ended is a JSON list of objects. Guarded as `complete`.
INSERT INTO jobhost_done
    (job, state, reason, outcome, ended_at, epoch, node, claimed_at, duration_us,
     deliveries, failures, crashes, result, error)
SELECT r.job, json_extract(e.value, '$.state'), json_extract(e.value, '$.reason'), json_extract(e.value, '$.outcome'), :now,
    r.epoch, r.node, r.claimed_at, json_extract(e.value, '$.duration_us'), r.deliveries,
    json_extract(e.value, '$.failures'), json_extract(e.value, '$.crashes'), NULL, json_extract(e.value, '$.error')
FROM json_each(:ended) e
CROSS JOIN jobhost_running r
    ON r.job = json_extract(e.value, '$.job') AND r.epoch = json_extract(e.value, '$.epoch')
WHERE r.node = :node
    AND EXISTS (SELECT 1 FROM jobhost_node WHERE number = :writer AND lease_until > :now)
