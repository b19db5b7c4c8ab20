-- Newest dead jobs first that a filter means. The index of unsuccessful ones holds few; the filter
-- looks at each of them until the page is full.
SELECT v.number, uuid_send(v.id), v.task, v.queue, v.priority, v.state, v.reason, v.created_at,
    v.due_at, v.claimed_at, v.ended_at, v.epoch, v.deliveries, v.failures, v.crashes, v.worker,
    v.payload, v.envelope, uuid_send(v.parent), v.result, v.error, v.cancel_requested
FROM (
    SELECT d.job FROM jobhost.done d
    CROSS JOIN LATERAL (SELECT queue, task FROM jobhost.job WHERE number = d.job LIMIT 1) j
    WHERE d.state = 'dead' AND d.state <> 'succeeded' AND d.job < :before
    AND (:task::text IS NULL OR j.task = :task) AND (:queue::text IS NULL OR j.queue = :queue)
    AND (:since::bigint IS NULL OR d.ended_at >= :since)
    AND (:until::bigint IS NULL OR d.ended_at < :until)
    AND (:reason::text IS NULL OR position(:reason::text IN d.reason) > 0)
    AND (
        :error::text IS NULL OR d.error::json ->> 'type' = :error
        OR right(d.error::json ->> 'type', length(:error::text) + 1) = '.' || :error::text
    )
    ORDER BY d.state DESC, d.job DESC
    LIMIT :limit
) picked
CROSS JOIN LATERAL (SELECT * FROM jobhost.jobs WHERE number = picked.job LIMIT 1) v
ORDER BY v.number DESC
