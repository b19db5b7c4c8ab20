-- Back to the place that they had.
INSERT INTO jobhost_ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT b.queue, b.priority, b.lane, b.seq, b.job, b.task, b.epoch, b.deliveries, b.failures,
    b.crashes
FROM json_each(:jobs) e
CROSS JOIN jobhost_blocked b ON b.job = e.value
