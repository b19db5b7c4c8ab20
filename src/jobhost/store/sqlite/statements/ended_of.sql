-- Which of these jobs have ended, and how; one that is not there any more has no state.
SELECT e.value, d.state, d.outcome
FROM json_each(:jobs) e
LEFT JOIN jobhost_done d ON d.job = e.value
LEFT JOIN jobhost_job j ON j.number = e.value
WHERE d.job IS NOT NULL OR j.number IS NULL
