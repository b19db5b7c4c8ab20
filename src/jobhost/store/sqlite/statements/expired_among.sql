-- Which of these jobs, just claimed, must not start any more.
SELECT e.job FROM json_each(:jobs) n
CROSS JOIN jobhost_expiry e ON e.job = n.value
WHERE e.expires_at <= :now
