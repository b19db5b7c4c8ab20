-- The next suspect: of the oldest death first, and there the newest job, which is the likeliest.
-- The plus keeps the index on tasks away, which would have all of them sorted first.
SELECT b.job, b.epoch + 1, b.deliveries + 1, b.failures, b.crashes, b.queue, b.priority,
    j.id, b.task, j.payload, j.envelope, j.parent, j.created_at, 0, 0
FROM jobhost_blocked b
CROSS JOIN jobhost_job j ON j.number = b.job
WHERE b.suspect_of IS NOT NULL AND +b.task IN (SELECT value FROM json_each(:tasks))
ORDER BY b.suspect_of, b.job DESC
LIMIT 1
