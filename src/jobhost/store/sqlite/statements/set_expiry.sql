-- Until when the jobs inserted by this transaction may start.
INSERT INTO jobhost_expiry (job, expires_at, dropped)
SELECT number, min(:at, max(:now, :since) + :after_us), :dropped
FROM jobhost_job
WHERE number > :after AND number <= :last
