-- Newest dead or cancelled jobs first; an index holds just these, and no other has that order.
SELECT v.number, uuid_send(v.id), v.task, v.queue, v.priority, v.state, v.reason, v.created_at,
    v.due_at, v.claimed_at, v.ended_at, v.epoch, v.deliveries, v.failures, v.crashes, v.worker,
    v.payload, v.envelope, uuid_send(v.parent), v.result, v.error, v.cancel_requested
FROM (
    SELECT d.job FROM jobhost.done d
    CROSS JOIN LATERAL (SELECT queue, task FROM jobhost.job WHERE number = d.job LIMIT 1) j
    WHERE d.state BETWEEN :state AND :state AND d.state <> 'succeeded'
        AND (:queue::text IS NULL OR j.queue = :queue) AND (:task::text IS NULL OR j.task = :task)
        AND d.job < :before
    ORDER BY d.state DESC, d.job DESC
    LIMIT :limit
) picked
CROSS JOIN LATERAL (SELECT * FROM jobhost.jobs WHERE number = picked.job LIMIT 1) v
ORDER BY v.number DESC
