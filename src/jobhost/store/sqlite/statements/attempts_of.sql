-- All ended attempts of a job, oldest first; a worker whose row was pruned is named by its number.
SELECT a.epoch, a.outcome, a.claimed_at, a.ended_at, a.duration_us,
    coalesce(n.host || ':' || n.pid, 'node ' || a.node || ', long gone'), a.error
FROM jobhost_job j
CROSS JOIN jobhost_attempts a ON a.job = j.number
LEFT JOIN jobhost_node n ON n.number = a.node
WHERE j.id = :id
ORDER BY a.epoch
