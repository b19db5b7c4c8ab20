-- Part of the removal of jobs that have ended; see `store.plans.retention`. Found as in
-- `leave_scheduled`.
DELETE FROM jobhost.expiry
WHERE ctid = ANY (ARRAY(
    SELECT t.ctid
    FROM json_array_elements_text(:jobs) e (job)
    CROSS JOIN LATERAL (
        SELECT ctid FROM jobhost.expiry
        WHERE job BETWEEN e.job::bigint AND e.job::bigint ORDER BY job
    ) t
))
