-- The other half of unparking and of a cancel. Found as in `leave_scheduled`.
DELETE FROM jobhost.blocked
WHERE ctid = ANY (ARRAY(
    SELECT b.ctid
    FROM json_array_elements_text(:jobs) e (job)
    CROSS JOIN LATERAL (
        SELECT ctid FROM jobhost.blocked WHERE job = e.job::bigint LIMIT 1
    ) b
))
