-- A waiting job ends here and never starts. The counts it had are kept. Its row was locked when
-- it was found. Where it is: as in `park`.
INSERT INTO jobhost.done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT r.job, 'cancelled', :reason, :now, r.epoch, r.deliveries, r.failures, r.crashes
FROM jobhost.job j
CROSS JOIN LATERAL (
    SELECT * FROM jobhost.ready
    WHERE queue = j.queue AND priority = j.priority AND lane = 1 AND seq = j.number
        AND job = j.number
    UNION ALL
    SELECT * FROM jobhost.ready WHERE job = j.number AND seq <> job
    LIMIT 1
) r
WHERE j.number = :job
