-- Retry and snooze: due after a wait that the store's clock measures. Guarded as `complete`.
INSERT INTO jobhost_scheduled
    (job, due_at, queue, priority, task, epoch, deliveries, failures, crashes)
SELECT r.job, :now + json_extract(e.value, '$.delay_us'), r.queue, r.priority, r.task, r.epoch,
    r.deliveries, json_extract(e.value, '$.failures'), json_extract(e.value, '$.crashes')
FROM json_each(:ended) e
CROSS JOIN jobhost_running r
    ON r.job = json_extract(e.value, '$.job') AND r.epoch = json_extract(e.value, '$.epoch')
WHERE r.node = :node
    AND EXISTS (SELECT 1 FROM jobhost_node WHERE number = :writer AND lease_until > :now)
