-- Unique keys in the order of the jobs that took them last, behind this one, and whether each is
-- held: by a job that lives, or to the end of its window.
SELECT u.job, u.task, u.key, u.taken_at,
    coalesce(u.held_until, 0) > :now OR (j.number IS NOT NULL AND d.job IS NULL)
FROM (
    SELECT * FROM jobhost_unique_key WHERE job > :after ORDER BY job LIMIT :limit
) u
LEFT JOIN jobhost_job j ON j.number = u.job
LEFT JOIN jobhost_done d ON d.job = u.job
