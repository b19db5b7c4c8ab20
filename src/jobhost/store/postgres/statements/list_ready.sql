-- Newest ready jobs first, from the table that holds just these.
SELECT v.number, uuid_send(v.id), v.task, v.queue, v.priority, v.state, v.reason, v.created_at,
    v.due_at, v.claimed_at, v.ended_at, v.epoch, v.deliveries, v.failures, v.crashes, v.worker,
    v.payload, v.envelope, uuid_send(v.parent), v.result, v.error, v.cancel_requested
FROM (
    SELECT job FROM jobhost.ready
    WHERE (:queue::text IS NULL OR queue = :queue) AND (:task::text IS NULL OR task = :task)
        AND job < :before
    ORDER BY job DESC
    LIMIT :limit
) picked
CROSS JOIN LATERAL (SELECT * FROM jobhost.jobs WHERE number = picked.job LIMIT 1) v
ORDER BY v.number DESC
