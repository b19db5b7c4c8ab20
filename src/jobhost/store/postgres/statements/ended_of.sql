-- Which of these jobs have ended, and how; one that is not there any more has no state.
SELECT e.job::bigint, d.state, d.outcome
FROM json_array_elements_text(:jobs) e (job)
LEFT JOIN LATERAL (
    SELECT state, outcome FROM jobhost.done WHERE job = e.job::bigint LIMIT 1
) d ON true
LEFT JOIN LATERAL (
    SELECT number FROM jobhost.job WHERE number = e.job::bigint LIMIT 1
) j ON true
WHERE d.state IS NOT NULL OR j.number IS NULL
