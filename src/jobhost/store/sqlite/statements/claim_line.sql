-- The next jobs of one line, behind what a worker has passed by already.
SELECT r.job, r.epoch + 1, r.deliveries + 1, r.failures, r.crashes, r.queue, r.priority,
    j.id, r.task, j.payload, j.envelope, j.parent, j.created_at, r.lane, r.seq
FROM jobhost_ready r
CROSS JOIN jobhost_job j ON j.number = r.job
WHERE r.queue = :queue AND r.priority = :priority AND r.lane = :lane AND r.seq > :passed
    AND r.task IN (SELECT value FROM json_each(:tasks))
ORDER BY r.seq
LIMIT :wanted
