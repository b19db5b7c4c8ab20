-- As `walk_succeeded`, for the few that ended in another way: they have an index, which is named by
-- the order.
SELECT d.job, d.ended_at <= :now - :keep_us, j.created_at > :now - :keep_us
FROM (
    SELECT job, ended_at FROM jobhost.done
    WHERE state = :state AND state <> 'succeeded' AND job > :after ORDER BY state, job LIMIT :limit
) d
CROSS JOIN LATERAL (
    SELECT created_at FROM jobhost.job WHERE number = d.job LIMIT 1
) j
