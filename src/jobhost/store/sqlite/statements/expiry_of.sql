-- When the time to start of a job is over, and whether it is. No row: there is no such time.
SELECT expires_at, expires_at <= :now FROM jobhost_expiry WHERE job = :job
