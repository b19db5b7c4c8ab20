-- The oldest fresh jobs of the lowest priority end here, to make room. Those that a worker has
-- handed back, in lane 0, have begun and stay.
INSERT INTO jobhost_done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT job, 'cancelled', :reason, :now, epoch, deliveries, failures, crashes
FROM jobhost_ready
WHERE queue = :queue AND lane = 1 AND priority = (
    SELECT priority FROM jobhost_ready WHERE queue = :queue AND lane = 1
    ORDER BY priority, lane DESC, seq DESC LIMIT 1
)
ORDER BY seq
LIMIT :limit
RETURNING job
