-- A running job is cancelled by its worker; the first reason counts.
INSERT INTO jobhost.cancellation (job, reason, requested_at) VALUES (:job, :reason, :now)
ON CONFLICT (job) DO NOTHING
