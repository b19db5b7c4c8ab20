-- The number of a job by its id.
SELECT number FROM jobhost.job WHERE id = encode(:id, 'hex')::uuid
