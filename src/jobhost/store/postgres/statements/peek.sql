-- The next jobs of a queue, in the order of `cycle`, whoever knows their tasks.
SELECT v.number, uuid_send(v.id), v.task, v.queue, v.priority, v.state, v.reason, v.created_at,
    v.due_at, v.claimed_at, v.ended_at, v.epoch, v.deliveries, v.failures, v.crashes, v.worker,
    v.payload, v.envelope, uuid_send(v.parent), v.result, v.error, v.cancel_requested
FROM (
    SELECT job, priority, lane, seq FROM jobhost.ready
    WHERE queue = :queue ORDER BY queue, priority DESC, lane, seq LIMIT :limit
) head
CROSS JOIN LATERAL (SELECT * FROM jobhost.jobs WHERE number = head.job LIMIT 1) v
ORDER BY head.priority DESC, head.lane, head.seq
