-- Newest jobs first, in whichever state. Each is looked up by itself: of a table that was swept
-- while it was empty the planner believes that a join may walk it for each row.
SELECT v.number, uuid_send(v.id), v.task, v.queue, v.priority, v.state, v.reason, v.created_at,
    v.due_at, v.claimed_at, v.ended_at, v.epoch, v.deliveries, v.failures, v.crashes, v.worker,
    v.payload, v.envelope, uuid_send(v.parent), v.result, v.error, v.cancel_requested
FROM (
    SELECT number AS job FROM jobhost.job
    WHERE (:queue::text IS NULL OR queue = :queue) AND (:task::text IS NULL OR task = :task)
        AND number < :before
    ORDER BY number DESC
    LIMIT :limit
) picked
CROSS JOIN LATERAL (SELECT * FROM jobhost.jobs WHERE number = picked.job LIMIT 1) v
ORDER BY v.number DESC
