-- Jobs that still wait though their time to start has been over for a while: how many of the first
-- ones, and since how long. Rows of jobs that run or have ended are left out; they may stay.
-- Values by themselves, as in `due_expiries`: the planner has no join to choose.
SELECT count(*), max(:now - e.expires_at)
FROM (
    SELECT job, expires_at FROM jobhost.expiry
    WHERE expires_at <= :now - :late_us ORDER BY expires_at, job LIMIT :looked_at
) e
WHERE (SELECT true FROM jobhost.running r WHERE r.job = e.job) IS NULL
    AND (SELECT true FROM jobhost.done d WHERE d.job = e.job) IS NULL
