-- As `cancel_ready`, for a job that is not due yet.
INSERT INTO jobhost_done
    (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT job, 'cancelled', :reason, :now, epoch, deliveries, failures, crashes
FROM jobhost_scheduled WHERE job = :job
