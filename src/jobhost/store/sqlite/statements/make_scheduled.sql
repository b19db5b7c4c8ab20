-- The jobs inserted by this transaction, due later. A due time already past is found due at
-- once by the next pass of the stager.
INSERT INTO jobhost_scheduled
    (job, due_at, queue, priority, task, epoch, deliveries, failures, crashes)
SELECT number, coalesce(:run_at, :now + :delay_us), queue, priority, task, 0, 0, 0, 0
FROM jobhost_job
WHERE number > :after AND number <= :last
