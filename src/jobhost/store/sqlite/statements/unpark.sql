-- Back before the backlog, which is younger than most of them.
INSERT INTO jobhost_ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT b.queue, b.priority, 0, :first_seq + e.key, b.job, b.task, b.epoch, b.deliveries,
    b.failures, b.crashes
FROM json_each(:jobs) e
CROSS JOIN jobhost_blocked b ON b.job = e.value
