-- A stretch of ended jobs in the order of their numbers: which of them are old successes, and which
-- were accepted too late to be old, as then all behind them were.
SELECT h.job, h.state = :state AND h.ended_at <= :now - :keep_us, j.created_at > :now - :keep_us
FROM (
    SELECT job, state, ended_at FROM jobhost_done WHERE job > :after ORDER BY job LIMIT :limit
) h
CROSS JOIN jobhost_job j ON j.number = h.job
ORDER BY h.job
