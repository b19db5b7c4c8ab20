-- As `walk_succeeded`, for the few that ended in another way: they have an index.
SELECT h.job, h.ended_at <= :now - :keep_us, j.created_at > :now - :keep_us
FROM (
    SELECT job, ended_at FROM jobhost_done
    WHERE state = :state AND state <> 'succeeded' AND job > :after ORDER BY job LIMIT :limit
) h
CROSS JOIN jobhost_job j ON j.number = h.job
ORDER BY h.job
