-- As `cancel_ready`. The order makes it the primary key that is used, as in `leave_scheduled`.
INSERT INTO jobhost.done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT job, 'cancelled', :reason, :now, epoch, deliveries, failures, crashes
FROM jobhost.scheduled WHERE job BETWEEN :job AND :job ORDER BY job
