-- Wakes all workers, once this commits.
SELECT pg_notify('jobhost:wake', '')
