-- The id of a job by its number.
SELECT id FROM jobhost_job WHERE number = :job
