-- Jobs that run on these nodes, the longest first, for people.
SELECT j.id, r.task, r.claimed_at, r.node
FROM jobhost_running r
CROSS JOIN jobhost_job j ON j.number = r.job
WHERE r.node IN (SELECT value FROM json_each(:nodes))
ORDER BY r.claimed_at, r.job
LIMIT :limit
