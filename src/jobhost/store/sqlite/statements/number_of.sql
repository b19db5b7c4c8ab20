-- The number of a job by its id.
SELECT number FROM jobhost_job WHERE id = :id
