-- The next jobs of a queue: higher priority first, handed back before fresh, then in order of
-- becoming ready. Walks the primary key from its head; rows claimed earlier are gone from it,
-- so a backlog of any size costs the same.
SELECT r.job, r.epoch + 1, r.deliveries + 1, r.failures, r.crashes, r.queue, r.priority,
    j.id, r.task, j.payload, j.envelope, j.parent, j.created_at, r.lane, r.seq
FROM jobhost_ready r
CROSS JOIN jobhost_job j ON j.number = r.job
WHERE r.queue = :queue AND r.task IN (SELECT value FROM json_each(:tasks))
ORDER BY r.priority DESC, r.lane, r.seq
LIMIT :wanted
