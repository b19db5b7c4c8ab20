-- One job by its number, while it is still fresh in its place; for running a job at once in the
-- process that enqueued it. Not of a queue that is paused, or closed.
SELECT r.job, r.epoch + 1, r.deliveries + 1, r.failures, r.crashes, r.queue, r.priority,
    j.id, r.task, j.payload, j.envelope, j.parent, j.created_at, r.lane, r.seq
FROM jobhost_job j
CROSS JOIN jobhost_ready r
    ON r.queue = j.queue AND r.priority = j.priority AND r.lane = 1 AND r.seq = j.number
WHERE j.id = :id
    AND NOT EXISTS (
        SELECT 1 FROM jobhost_queue p WHERE p.name = j.queue
            AND (p.paused_at IS NOT NULL OR p.open_from > :now OR p.open_until <= :now)
    )
