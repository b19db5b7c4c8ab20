-- Tasks of which jobs wait to run alone, with how many, and how many of these never ran: they wait
-- only because of their task. It counts rows: for people.
SELECT task, count(*), sum(CASE WHEN deliveries = 0 THEN 1 ELSE 0 END)
FROM jobhost_blocked
WHERE suspect_of IS NOT NULL
GROUP BY task
ORDER BY count(*) DESC, task
