-- All ended attempts of a job, oldest first.
SELECT a.epoch, a.outcome, a.claimed_at, a.ended_at, a.duration_us, n.host || ':' || n.pid, a.error
FROM jobhost.job j
JOIN jobhost.attempts a ON a.job = j.number
LEFT JOIN jobhost.node n ON n.number = a.node
WHERE j.id = encode(:id, 'hex')::uuid
ORDER BY a.epoch
