-- Running jobs that have told how far they are, the longest running first, for people. Walks what
-- runs, which slots bound, and looks the rest up by its keys.
SELECT j.id, r.task, r.claimed_at, p.epoch, p.done, p.total, p.message, NULL, p.told_at
FROM jobhost_running r
CROSS JOIN jobhost_progress p ON p.job = r.job
CROSS JOIN jobhost_job j ON j.number = r.job
ORDER BY r.claimed_at, r.job
LIMIT :limit
