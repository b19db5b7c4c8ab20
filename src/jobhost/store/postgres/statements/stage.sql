-- They get their place in the queue now: it is the moment at which they became ready.
INSERT INTO jobhost.ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT s.queue, s.priority, 1, :first_seq + e.place - 1, s.job, s.task, s.epoch, s.deliveries,
    s.failures, s.crashes
FROM json_array_elements_text(:jobs) WITH ORDINALITY AS e (job, place)
JOIN jobhost.scheduled s ON s.job = e.job::bigint
