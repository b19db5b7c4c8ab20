-- Retry and snooze: due after a wait that the store's clock measures. Guarded as `finish`.
INSERT INTO jobhost.scheduled
    (job, due_at, queue, priority, task, epoch, deliveries, failures, crashes)
SELECT r.job, :now + e.delay_us, r.queue, r.priority, r.task, r.epoch, r.deliveries, e.failures,
    e.crashes
FROM json_to_recordset(:ended)
    AS e (job bigint, epoch integer, delay_us bigint, failures integer, crashes integer)
JOIN jobhost.running r ON r.job = e.job AND r.epoch = e.epoch
WHERE r.node = :node
    AND EXISTS (SELECT FROM jobhost.node WHERE number = :writer AND ended_at IS NULL)
ORDER BY r.job
FOR UPDATE OF r
