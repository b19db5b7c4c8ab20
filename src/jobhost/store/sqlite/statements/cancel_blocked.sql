-- As `cancel_ready`, for a job that was set aside.
INSERT INTO jobhost_done
    (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT job, 'cancelled', :reason, :now, epoch, deliveries, failures, crashes
FROM jobhost_blocked WHERE job = :job
