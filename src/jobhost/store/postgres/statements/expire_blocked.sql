-- As `expire_ready`, for jobs that were set aside.
INSERT INTO jobhost.done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT b.job, 'dead', :reason, :now, b.epoch, b.deliveries, b.failures, b.crashes
FROM jobhost.blocked b
WHERE b.ctid = ANY (ARRAY(
    SELECT place.ctid
    FROM json_array_elements_text(:jobs) e (job)
    CROSS JOIN LATERAL (SELECT ctid FROM jobhost.blocked WHERE job = e.job::bigint LIMIT 1) place
))
FOR UPDATE OF b SKIP LOCKED
RETURNING job
