-- The jobs inserted by this transaction, in the order of their numbers, behind all that wait.
INSERT INTO jobhost_ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT queue, priority, 1, number, number, task, 0, 0, 0, 0
FROM jobhost_job
WHERE number > :after AND number <= :last
