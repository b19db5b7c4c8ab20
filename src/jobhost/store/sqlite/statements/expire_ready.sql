-- Jobs that wait for a slot end here and never start. Each is at the place of its number, or in one
-- of the two indexes by job.
INSERT INTO jobhost_done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT r.job, 'dead', :reason, :now, r.epoch, r.deliveries, r.failures, r.crashes
FROM json_each(:jobs) e
CROSS JOIN jobhost_job j ON j.number = e.value
CROSS JOIN jobhost_ready r
    ON r.queue = j.queue AND r.priority = j.priority AND r.lane = 1 AND r.seq = j.number
        AND r.job = j.number
UNION ALL
SELECT r.job, 'dead', :reason, :now, r.epoch, r.deliveries, r.failures, r.crashes
FROM json_each(:jobs) e
CROSS JOIN jobhost_ready r ON r.job = e.value AND r.epoch = 0 AND r.seq <> r.job
UNION ALL
SELECT r.job, 'dead', :reason, :now, r.epoch, r.deliveries, r.failures, r.crashes
FROM json_each(:jobs) e
CROSS JOIN jobhost_ready r ON r.job = e.value AND r.epoch > 0
RETURNING job
