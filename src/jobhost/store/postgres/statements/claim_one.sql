-- One job by its id, while it is still fresh in its place; for running a job at once in the
-- process that enqueued it.
SELECT r.job, r.epoch + 1, r.deliveries + 1, r.failures, r.crashes, r.queue, r.priority,
    uuid_send(j.id), r.task, j.payload, j.envelope, uuid_send(j.parent), j.created_at, r.lane, r.seq
FROM jobhost.job j
JOIN jobhost.ready r
    ON r.queue = j.queue AND r.priority = j.priority AND r.lane = 1 AND r.seq = j.number
    AND r.job = j.number
WHERE j.id = encode(:id, 'hex')::uuid
FOR UPDATE OF r SKIP LOCKED
