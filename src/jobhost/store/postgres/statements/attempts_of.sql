-- All ended attempts of a job, oldest first; a worker whose row was pruned is named by its number.
-- The job's is a value by itself: through a join it would not reach the tables behind the view, and
-- all jobs that are done would be read.
SELECT a.epoch, a.outcome, a.claimed_at, a.ended_at, a.duration_us,
    coalesce(n.host || ':' || n.pid, 'node ' || a.node || ', long gone'), a.error
FROM jobhost.attempts a
LEFT JOIN jobhost.node n ON n.number = a.node
WHERE a.job = (SELECT number FROM jobhost.job WHERE id = encode(:id, 'hex')::uuid)
ORDER BY a.epoch
