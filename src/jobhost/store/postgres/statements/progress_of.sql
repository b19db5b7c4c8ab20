-- How far these jobs have come, without the reports of their items, which may be long: by the key
-- of the table, one after the other.
SELECT p.job, p.epoch, p.done, p.total, p.message, NULL::text, p.told_at
FROM json_array_elements_text(:jobs) e (job)
CROSS JOIN LATERAL (
    SELECT * FROM jobhost.progress WHERE job = e.job::bigint LIMIT 1
) p
