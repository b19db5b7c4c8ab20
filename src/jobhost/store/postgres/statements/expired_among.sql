-- Which of these jobs, just claimed, must not start any more.
SELECT e.job FROM json_array_elements_text(:jobs) n (job)
CROSS JOIN LATERAL (
    SELECT job, expires_at FROM jobhost.expiry
    WHERE job BETWEEN n.job::bigint AND n.job::bigint ORDER BY job LIMIT 1
) e
WHERE e.expires_at <= :now
