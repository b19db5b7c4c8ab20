-- Unique keys that were taken long ago by jobs that are ready or set aside: of the oldest holders,
-- so many are looked at. One that runs or is due later has its key rightly. Values by themselves:
-- the planner has no join to choose.
SELECT u.task, :now - u.taken_at, uuid_send(j.id)
FROM (
    SELECT job, task, taken_at FROM jobhost.unique_key ORDER BY job LIMIT :looked_at
) u
CROSS JOIN LATERAL (SELECT id FROM jobhost.job WHERE number = u.job LIMIT 1) j
WHERE u.taken_at <= :now - :long_us
    AND (SELECT true FROM jobhost.done d WHERE d.job = u.job) IS NULL
    AND (SELECT true FROM jobhost.running r WHERE r.job = u.job) IS NULL
    AND (
        SELECT true FROM jobhost.scheduled s
        WHERE s.job BETWEEN u.job AND u.job ORDER BY s.job LIMIT 1
    ) IS NULL
