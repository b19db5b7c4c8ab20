-- A waiting job ends here and never starts. The counts it had are kept.
INSERT INTO jobhost_done
    (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT job, 'cancelled', :reason, :now, epoch, deliveries, failures, crashes
FROM jobhost_ready WHERE queue = :queue AND job = :job
