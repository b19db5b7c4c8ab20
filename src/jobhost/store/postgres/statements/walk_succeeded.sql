-- A stretch of ended jobs in the order of their numbers: which of them are old successes, and which
-- were accepted too late to be old, as then all behind them were.
SELECT d.job, d.state = :state AND d.ended_at <= :now - :keep_us, j.created_at > :now - :keep_us
FROM (
    SELECT job, state, ended_at FROM jobhost.done WHERE job > :after ORDER BY job LIMIT :limit
) d
CROSS JOIN LATERAL (
    SELECT created_at FROM jobhost.job WHERE number = d.job LIMIT 1
) j
