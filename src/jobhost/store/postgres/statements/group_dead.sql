-- Dead jobs that died alike, among the newest ones: the largest groups first.
WITH meant AS (
    SELECT d.job, j.task, coalesce(d.error::json ->> 'type', d.reason, '') AS cause, d.ended_at
    FROM jobhost.done d
    CROSS JOIN LATERAL (SELECT queue, task FROM jobhost.job WHERE number = d.job LIMIT 1) j
    WHERE d.state = 'dead' AND d.state <> 'succeeded'
    AND (:task::text IS NULL OR j.task = :task) AND (:queue::text IS NULL OR j.queue = :queue)
    AND (:since::bigint IS NULL OR d.ended_at >= :since)
    AND (:until::bigint IS NULL OR d.ended_at < :until)
    AND (:reason::text IS NULL OR position(:reason::text IN d.reason) > 0)
    AND (
        :error::text IS NULL OR d.error::json ->> 'type' = :error
        OR right(d.error::json ->> 'type', length(:error::text) + 1) = '.' || :error::text
    )
    ORDER BY d.state DESC, d.job DESC
    LIMIT :looked_at
), grouped AS (
    SELECT task, cause, count(*) AS jobs, min(ended_at) AS first_at, max(ended_at) AS last_at,
        max(job) AS newest
    FROM meant GROUP BY task, cause
    ORDER BY jobs DESC, newest DESC
    LIMIT :limit
)
SELECT g.task, g.cause, g.jobs, g.first_at, g.last_at, uuid_send(j.id),
    coalesce(d.error::json ->> 'message', d.reason, '')
FROM grouped g
CROSS JOIN LATERAL (SELECT error, reason FROM jobhost.done WHERE job = g.newest LIMIT 1) d
CROSS JOIN LATERAL (SELECT id FROM jobhost.job WHERE number = g.newest LIMIT 1) j
ORDER BY g.jobs DESC, g.newest DESC
