-- As `cancel_ready`.
INSERT INTO jobhost.done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT job, 'cancelled', :reason, :now, epoch, deliveries, failures, crashes
FROM jobhost.blocked WHERE job = :job
