-- Jobs that still wait though their time to start has been over for a while: how many of the first
-- ones, and since how long. Rows of jobs that run or have ended are left out; they may stay.
SELECT count(*), max(:now - e.expires_at)
FROM (
    SELECT job, expires_at FROM jobhost_expiry
    WHERE expires_at <= :now - :late_us ORDER BY expires_at, job LIMIT :looked_at
) e
WHERE NOT EXISTS (SELECT 1 FROM jobhost_running r WHERE r.job = e.job)
    AND NOT EXISTS (SELECT 1 FROM jobhost_done d WHERE d.job = e.job)
