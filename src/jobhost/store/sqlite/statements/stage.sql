-- They get their place in the queue now: it is the moment at which they became ready.
INSERT INTO jobhost_ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT s.queue, s.priority, 1, :first_seq + e.key, s.job, s.task, s.epoch, s.deliveries,
    s.failures, s.crashes
FROM json_each(:jobs) e
CROSS JOIN jobhost_scheduled s ON s.job = e.value
