-- A waiting job ends here and never starts. The counts it had are kept. Its row was locked when
-- it was found.
INSERT INTO jobhost.done (job, state, reason, ended_at, epoch, deliveries, failures, crashes)
SELECT job, 'cancelled', :reason, :now, epoch, deliveries, failures, crashes
FROM jobhost.ready WHERE ctid = jobhost.place_in_ready(:job)
