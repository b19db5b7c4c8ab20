-- The id of a job by its number.
SELECT uuid_send(id) FROM jobhost.job WHERE number = :job
