-- Set aside by its own task until somebody resumes it. Guarded as `finish`.
INSERT INTO jobhost.blocked
    (job, reason, queue, priority, task, epoch, deliveries, failures, crashes, deferred_at)
SELECT r.job, e.reason, r.queue, r.priority, r.task, r.epoch, r.deliveries, e.failures, e.crashes,
    :now
FROM json_to_recordset(:ended)
    AS e (job bigint, epoch integer, reason text, failures integer, crashes integer)
JOIN jobhost.running r ON r.job = e.job AND r.epoch = e.epoch
WHERE r.node = :node
    AND EXISTS (SELECT FROM jobhost.node WHERE number = :writer AND ended_at IS NULL)
ORDER BY r.job
FOR UPDATE OF r
