-- The oldest fresh jobs of the lowest priority end here, to make room. Those that a worker has
-- handed back, in lane 0, have begun and stay; those that are just being claimed as well.
INSERT INTO jobhost.done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT r.job, 'cancelled', :reason, :now, r.epoch, r.deliveries, r.failures, r.crashes
FROM jobhost.ready r
WHERE r.ctid = ANY (ARRAY(
    SELECT oldest.ctid
    FROM (
        SELECT priority FROM jobhost.ready WHERE queue = :queue AND lane = 1
        ORDER BY queue DESC, priority, lane DESC, seq DESC LIMIT 1
    ) lowest
    CROSS JOIN LATERAL (
        SELECT ctid FROM jobhost.ready
        WHERE queue = :queue AND priority = lowest.priority AND lane = 1
        ORDER BY queue, priority DESC, lane, seq LIMIT :limit
    ) oldest
))
FOR UPDATE OF r SKIP LOCKED
RETURNING job
