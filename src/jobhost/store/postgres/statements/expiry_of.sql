-- When the time to start of a job is over, and whether it is. No row: there is no such time. Asked
-- in the order of jobs, or the planner walks the index of due expiries, which has jobs in it too.
SELECT expires_at, expires_at <= :now FROM jobhost.expiry
WHERE job BETWEEN :job AND :job ORDER BY job LIMIT 1
