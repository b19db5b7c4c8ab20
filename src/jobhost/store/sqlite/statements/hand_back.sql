-- Release, rescue, and retry without a wait: ready again, in the order given. What was handed
-- back uncharged goes to lane 0, before the backlog. Guarded as `complete`.
INSERT INTO jobhost_ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT r.queue, r.priority, json_extract(e.value, '$.lane'), :first_seq + e.key, r.job, r.task, r.epoch,
    r.deliveries, json_extract(e.value, '$.failures'), json_extract(e.value, '$.crashes')
FROM json_each(:ended) e
CROSS JOIN jobhost_running r
    ON r.job = json_extract(e.value, '$.job') AND r.epoch = json_extract(e.value, '$.epoch')
WHERE r.node = :node
    AND EXISTS (SELECT 1 FROM jobhost_node WHERE number = :writer AND lease_until > :now)
