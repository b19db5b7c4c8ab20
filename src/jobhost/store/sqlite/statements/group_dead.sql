-- Dead jobs that died alike, among the newest ones: the largest groups first.
WITH meant AS (
    SELECT d.job, j.task, coalesce(json_extract(d.error, '$.type'), d.reason, '') AS cause, d.ended_at
    FROM jobhost_done d CROSS JOIN jobhost_job j ON j.number = d.job
    WHERE d.state = 'dead' AND d.state <> 'succeeded'
    AND (:task IS NULL OR j.task = :task) AND (:queue IS NULL OR j.queue = :queue)
    AND (:since IS NULL OR d.ended_at >= :since) AND (:until IS NULL OR d.ended_at < :until)
    AND (:reason IS NULL OR instr(d.reason, :reason) > 0)
    AND (
        :error IS NULL OR json_extract(d.error, '$.type') = :error
        OR substr(json_extract(d.error, '$.type'), -length(:error) - 1) = '.' || :error
    )
    ORDER BY d.job DESC
    LIMIT :looked_at
), grouped AS (
    SELECT task, cause, count(*) AS jobs, min(ended_at) AS first_at, max(ended_at) AS last_at,
        max(job) AS newest
    FROM meant GROUP BY task, cause
    ORDER BY jobs DESC, newest DESC
    LIMIT :limit
)
SELECT g.task, g.cause, g.jobs, g.first_at, g.last_at, j.id,
    coalesce(json_extract(d.error, '$.message'), d.reason, '')
FROM grouped g
CROSS JOIN jobhost_done d ON d.job = g.newest
CROSS JOIN jobhost_job j ON j.number = g.newest
ORDER BY g.jobs DESC, g.newest DESC
