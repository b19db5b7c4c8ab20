-- As `expire_ready`, for jobs that are not due yet, be it again.
INSERT INTO jobhost_done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT s.job, 'dead', :reason, :now, s.epoch, s.deliveries, s.failures, s.crashes
FROM json_each(:jobs) e
CROSS JOIN jobhost_scheduled s ON s.job = e.value
WHERE true
RETURNING job
