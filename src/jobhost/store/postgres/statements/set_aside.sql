-- A suspect waits until it can run alone. Guarded as `finish`.
INSERT INTO jobhost.blocked
    (job, reason, queue, priority, task, epoch, deliveries, failures, crashes, suspect_of)
SELECT r.job, e.reason, r.queue, r.priority, r.task, r.epoch, r.deliveries, e.failures, e.crashes,
    :node
FROM json_to_recordset(:ended)
    AS e (job bigint, epoch integer, reason text, failures integer, crashes integer)
JOIN jobhost.running r ON r.job = e.job AND r.epoch = e.epoch
WHERE r.node = :node
    AND EXISTS (SELECT FROM jobhost.node WHERE number = :writer AND ended_at IS NULL)
ORDER BY r.job
FOR UPDATE OF r
