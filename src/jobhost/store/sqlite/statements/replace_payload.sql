-- A job that waits gets another payload. Nobody claims while this transaction is open, so that it
-- stays in its place.
UPDATE jobhost_job SET payload = :payload WHERE number = :job
