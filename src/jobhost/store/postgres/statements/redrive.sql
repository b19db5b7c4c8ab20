-- Ready again with fresh counts. The epoch is kept, so that nothing of an old run is accepted.
INSERT INTO jobhost.ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT j.queue, j.priority, 1, :seq, j.number, j.task, d.epoch, 0, 0, 0
FROM jobhost.done d
JOIN jobhost.job j ON j.number = d.job
WHERE d.job = :job AND d.state IN ('dead', 'cancelled')
