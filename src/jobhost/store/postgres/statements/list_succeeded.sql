-- Newest successes first. Most jobs are successes, so walking back from the newest finds them.
SELECT v.number, uuid_send(v.id), v.task, v.queue, v.priority, v.state, v.reason, v.created_at,
    v.due_at, v.claimed_at, v.ended_at, v.epoch, v.deliveries, v.failures, v.crashes, v.worker,
    v.payload, v.envelope, uuid_send(v.parent), v.result, v.error, v.cancel_requested
FROM (
    SELECT j.number AS job FROM jobhost.job j
    CROSS JOIN LATERAL (
        SELECT FROM jobhost.done WHERE job = j.number AND state = 'succeeded' LIMIT 1
    ) succeeded
    WHERE (:queue::text IS NULL OR j.queue = :queue) AND (:task::text IS NULL OR j.task = :task)
        AND j.number < :before
    ORDER BY j.number DESC
    LIMIT :limit
) picked
CROSS JOIN LATERAL (SELECT * FROM jobhost.jobs WHERE number = picked.job LIMIT 1) v
ORDER BY v.number DESC
