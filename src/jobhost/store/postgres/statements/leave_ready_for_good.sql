-- The other half of `expire_ready` and `drop_oldest`, for jobs in any queue. Found as in `park`.
DELETE FROM jobhost.ready
WHERE ctid = ANY (ARRAY(
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
