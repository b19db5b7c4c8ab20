-- They get their place in the queue now: it is the moment at which they became ready. Found as in
-- `leave_scheduled`.
INSERT INTO jobhost.ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT s.queue, s.priority, 1, :first_seq + e.place - 1, s.job, s.task, s.epoch, s.deliveries,
    s.failures, s.crashes
FROM json_array_elements_text(:jobs) WITH ORDINALITY AS e (job, place)
CROSS JOIN LATERAL (
    SELECT * FROM jobhost.scheduled
    WHERE job BETWEEN e.job::bigint AND e.job::bigint ORDER BY job LIMIT 1
) s
