-- Oldest dead jobs first that a filter means, for moving them in the order in which they came.
SELECT d.job, uuid_send(j.id) FROM jobhost.done d
CROSS JOIN LATERAL (SELECT id, queue, task FROM jobhost.job WHERE number = d.job LIMIT 1) j
WHERE d.state = 'dead' AND d.state <> 'succeeded' AND d.job > :after
    AND (:task::text IS NULL OR j.task = :task) AND (:queue::text IS NULL OR j.queue = :queue)
    AND (:since::bigint IS NULL OR d.ended_at >= :since)
    AND (:until::bigint IS NULL OR d.ended_at < :until)
    AND (:reason::text IS NULL OR position(:reason::text IN d.reason) > 0)
    AND (
        :error::text IS NULL OR d.error::json ->> 'type' = :error
        OR right(d.error::json ->> 'type', length(:error::text) + 1) = '.' || :error::text
    )
ORDER BY d.state, d.job
LIMIT :limit
