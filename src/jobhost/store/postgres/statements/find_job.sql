-- Number, queue and state of a job by its id, and a lock on its row in the table that holds it.
-- No state: it was moving; look again. The order is there as in `leave_scheduled`.
SELECT j.number, j.queue,
    coalesce(d.state, r.state, s.state, b.state, f.state, m.state),
    coalesce(d.reason, b.reason)
FROM jobhost.job j
LEFT JOIN LATERAL (
    SELECT state, reason FROM jobhost.done WHERE job = j.number FOR UPDATE
) d ON true
LEFT JOIN LATERAL (
    SELECT 'running' AS state FROM jobhost.running WHERE job = j.number FOR UPDATE
) r ON true
LEFT JOIN LATERAL (
    SELECT 'scheduled' AS state FROM jobhost.scheduled
    WHERE job BETWEEN j.number AND j.number ORDER BY job FOR UPDATE
) s ON true
LEFT JOIN LATERAL (
    SELECT 'blocked' AS state, reason FROM jobhost.blocked WHERE job = j.number FOR UPDATE
) b ON true
LEFT JOIN LATERAL (
    SELECT 'ready' AS state FROM jobhost.ready
    WHERE queue = j.queue AND priority = j.priority AND lane = 1 AND seq = j.number
        AND job = j.number
    FOR UPDATE
) f ON true
LEFT JOIN LATERAL (
    SELECT 'ready' AS state FROM jobhost.ready WHERE job = j.number AND seq <> job FOR UPDATE
) m ON true
WHERE j.id = encode(:id, 'hex')::uuid
