-- As `expire_ready`, for jobs that are not due yet, be it again. Found as in `leave_scheduled`.
INSERT INTO jobhost.done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT s.job, 'dead', :reason, :now, s.epoch, s.deliveries, s.failures, s.crashes
FROM jobhost.scheduled s
WHERE s.ctid = ANY (ARRAY(
    SELECT place.ctid
    FROM json_array_elements_text(:jobs) e (job)
    CROSS JOIN LATERAL (
        SELECT ctid FROM jobhost.scheduled
        WHERE job BETWEEN e.job::bigint AND e.job::bigint ORDER BY job LIMIT 1
    ) place
))
FOR UPDATE OF s SKIP LOCKED
RETURNING job
