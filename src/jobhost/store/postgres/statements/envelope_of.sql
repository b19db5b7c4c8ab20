-- What travels with a job beside its arguments.
SELECT envelope FROM jobhost.job WHERE number = :job
