-- Unique keys that were taken long ago by jobs that are ready or set aside: of the oldest holders,
-- so many are looked at. One that runs or is due later has its key rightly.
SELECT u.task, :now - u.taken_at, j.id
FROM (
    SELECT job, task, taken_at FROM jobhost_unique_key ORDER BY job LIMIT :looked_at
) u
CROSS JOIN jobhost_job j ON j.number = u.job
WHERE u.taken_at <= :now - :long_us
    AND NOT EXISTS (SELECT 1 FROM jobhost_done d WHERE d.job = u.job)
    AND NOT EXISTS (SELECT 1 FROM jobhost_running r WHERE r.job = u.job)
    AND NOT EXISTS (SELECT 1 FROM jobhost_scheduled s WHERE s.job = u.job)
