-- As `expire_ready`, for jobs that were set aside.
INSERT INTO jobhost_done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT b.job, 'dead', :reason, :now, b.epoch, b.deliveries, b.failures, b.crashes
FROM json_each(:jobs) e
CROSS JOIN jobhost_blocked b ON b.job = e.value
WHERE true
RETURNING job
