-- Number, task and envelope of a job by its id: the envelope names its unique key.
SELECT number, task, envelope FROM jobhost.job WHERE id = encode(:id, 'hex')::uuid
