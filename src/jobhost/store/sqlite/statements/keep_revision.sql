-- What stood in a job's row before it is replaced. Gives its number among the job's revisions.
INSERT INTO jobhost_revision (job, number, payload, reason, replaced_at)
SELECT number, coalesce((SELECT max(number) FROM jobhost_revision WHERE job = :job), 0) + 1,
    payload, :reason, :now
FROM jobhost_job
WHERE number = :job
RETURNING number
