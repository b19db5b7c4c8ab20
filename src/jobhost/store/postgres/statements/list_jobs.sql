-- Newest jobs first, in whichever state.
SELECT number, uuid_send(id), task, queue, priority, state, reason, created_at, due_at, claimed_at,
    ended_at, epoch, deliveries, failures, crashes, worker, payload, envelope, uuid_send(parent),
    result, error, cancel_requested
FROM jobhost.jobs
WHERE (:queue::text IS NULL OR queue = :queue) AND (:task::text IS NULL OR task = :task)
    AND number < :before
ORDER BY number DESC
LIMIT :limit
