-- A job whose payload was just replaced says of which version that is. In the transaction that
-- did so, which holds the job's row.
UPDATE jobhost_job SET envelope = :envelope WHERE number = :job
