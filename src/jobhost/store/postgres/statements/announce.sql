-- Wakes all workers, once this commits: for jobs to claim, or 'due' for what is due earlier.
SELECT pg_notify('jobhost:wake', :why)
