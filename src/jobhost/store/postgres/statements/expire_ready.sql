-- Jobs that wait for a slot end here and never start. Found as in `park`; one that is just being
-- claimed is left to its worker, who looks before it begins. A row of `ready` is never changed, so
-- that its place stays its own until it leaves.
INSERT INTO jobhost.done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT r.job, 'dead', :reason, :now, r.epoch, r.deliveries, r.failures, r.crashes
FROM jobhost.ready r
WHERE r.ctid = ANY (ARRAY(
    SELECT place.ctid
    FROM json_array_elements_text(:jobs) e (job)
    CROSS JOIN LATERAL (
        SELECT number, queue, priority FROM jobhost.job WHERE number = e.job::bigint LIMIT 1
    ) j
    CROSS JOIN LATERAL (
        SELECT ctid FROM jobhost.ready
        WHERE queue = j.queue AND priority = j.priority AND lane = 1 AND seq = j.number
            AND job = j.number
        UNION ALL
        SELECT ctid FROM jobhost.ready WHERE job = j.number AND seq <> job
        LIMIT 1
    ) place
))
FOR UPDATE OF r SKIP LOCKED
RETURNING job
