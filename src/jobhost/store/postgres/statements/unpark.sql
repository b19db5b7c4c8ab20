-- Back before the backlog, which is younger than most of them. Found as in `leave_scheduled`.
INSERT INTO jobhost.ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT b.queue, b.priority, 0, :first_seq + e.place - 1, b.job, b.task, b.epoch, b.deliveries,
    b.failures, b.crashes
FROM json_array_elements_text(:jobs) WITH ORDINALITY AS e (job, place)
CROSS JOIN LATERAL (SELECT * FROM jobhost.blocked WHERE job = e.job::bigint LIMIT 1) b
