-- What travels with a job beside its arguments.
SELECT envelope FROM jobhost_job WHERE number = :job
