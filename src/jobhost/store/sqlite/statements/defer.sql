-- Set aside by its own task until somebody resumes it. Guarded as `complete`.
INSERT INTO jobhost_blocked
    (job, reason, queue, priority, task, epoch, deliveries, failures, crashes, deferred_at)
SELECT r.job, json_extract(e.value, '$.reason'), r.queue, r.priority, r.task, r.epoch, r.deliveries,
    json_extract(e.value, '$.failures'), json_extract(e.value, '$.crashes'), :now
FROM json_each(:ended) e
CROSS JOIN jobhost_running r
    ON r.job = json_extract(e.value, '$.job') AND r.epoch = json_extract(e.value, '$.epoch')
WHERE r.node = :node
    AND EXISTS (SELECT 1 FROM jobhost_node WHERE number = :writer AND lease_until > :now)
