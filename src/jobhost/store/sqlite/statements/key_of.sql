-- Number, task and envelope of a job by its id: the envelope names its unique key.
SELECT number, task, envelope FROM jobhost_job WHERE id = :id
