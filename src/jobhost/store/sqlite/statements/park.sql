-- They wait outside the queue.
INSERT INTO jobhost_blocked
    (job, reason, queue, priority, task, epoch, deliveries, failures, crashes,
     suspect_of)
SELECT r.job, :reason, r.queue, r.priority, r.task, r.epoch, r.deliveries, r.failures, r.crashes,
    :suspect_of
FROM jobhost_ready r
WHERE r.queue = :queue AND r.job IN (SELECT value FROM json_each(:jobs))
