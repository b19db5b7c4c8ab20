-- What stood in a job's row before it is replaced. Gives its number among the job's revisions.
INSERT INTO jobhost.revision (job, number, payload, reason, replaced_at)
SELECT j.number, last.number + 1, j.payload, :reason, :now
FROM jobhost.job j
CROSS JOIN LATERAL (
    SELECT coalesce(max(number), 0) AS number FROM jobhost.revision WHERE job = :job
) last
WHERE j.number = :job
RETURNING number
