-- How far these jobs have come: whether each lives, and the epoch of one that does. A fresh job in
-- `ready` has epoch 0 and stands at its own number. Looked up one by one, with an order where a
-- table has two indexes, so that the planner has no choice.
SELECT e.job::bigint, j.number IS NOT NULL AND d.job IS NULL,
    coalesce(r.epoch, s.epoch, b.epoch, m.epoch, 0)
FROM json_array_elements_text(:jobs) e (job)
LEFT JOIN LATERAL (
    SELECT number FROM jobhost.job WHERE number = e.job::bigint LIMIT 1
) j ON true
LEFT JOIN LATERAL (
    SELECT job FROM jobhost.done WHERE job = e.job::bigint LIMIT 1
) d ON true
LEFT JOIN LATERAL (
    SELECT epoch FROM jobhost.running WHERE job = e.job::bigint LIMIT 1
) r ON true
LEFT JOIN LATERAL (
    SELECT epoch FROM jobhost.scheduled
    WHERE job BETWEEN e.job::bigint AND e.job::bigint ORDER BY job LIMIT 1
) s ON true
LEFT JOIN LATERAL (
    SELECT epoch FROM jobhost.blocked WHERE job = e.job::bigint LIMIT 1
) b ON true
LEFT JOIN LATERAL (
    SELECT epoch FROM jobhost.ready WHERE job = e.job::bigint AND seq <> job LIMIT 1
) m ON true
