-- One job by its id, while it is still fresh in its place; for running a job at once in the
-- process that enqueued it. Not of a queue that is paused, or closed.
SELECT r.job, r.epoch + 1, r.deliveries + 1, r.failures, r.crashes, r.queue, r.priority,
    uuid_send(j.id), r.task, j.payload, j.envelope, uuid_send(j.parent), j.created_at, r.lane, r.seq
FROM jobhost.job j
CROSS JOIN LATERAL (
    SELECT * FROM jobhost.ready
    WHERE queue = j.queue AND priority = j.priority AND lane = 1 AND seq = j.number
        AND job = j.number
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) r
WHERE j.id = encode(:id, 'hex')::uuid
    AND NOT EXISTS (
        SELECT FROM jobhost.queue q WHERE q.name = j.queue
            AND (q.paused_at IS NOT NULL OR q.open_from > :now OR q.open_until <= :now)
    )
