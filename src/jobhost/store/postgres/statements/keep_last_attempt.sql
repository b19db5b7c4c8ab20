-- A redrive keeps the history: the attempt that ended the job becomes one of its earlier ones.
INSERT INTO jobhost.attempt (job, epoch, outcome, node, claimed_at, ended_at, duration_us, error)
SELECT job, epoch, outcome, node, claimed_at, ended_at, duration_us, error
FROM jobhost.done WHERE job = :job AND outcome IS NOT NULL
