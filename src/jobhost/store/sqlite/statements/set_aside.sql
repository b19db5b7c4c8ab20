-- A suspect waits until it can run alone. Guarded as `complete`.
INSERT INTO jobhost_blocked
    (job, reason, queue, priority, task, epoch, deliveries, failures, crashes, suspect_of)
SELECT r.job, json_extract(e.value, '$.reason'), r.queue, r.priority, r.task, r.epoch, r.deliveries,
    json_extract(e.value, '$.failures'), json_extract(e.value, '$.crashes'), :node
FROM json_each(:ended) e
CROSS JOIN jobhost_running r
    ON r.job = json_extract(e.value, '$.job') AND r.epoch = json_extract(e.value, '$.epoch')
WHERE r.node = :node
    AND EXISTS (SELECT 1 FROM jobhost_node WHERE number = :writer AND lease_until > :now)
