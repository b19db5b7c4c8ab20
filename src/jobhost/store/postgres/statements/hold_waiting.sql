-- Epoch, payload and envelope of a job that waits, and a lock on its row in the table that holds it, for which
-- a claim in progress is waited for. No row: it does not wait, or moved just now. The order is there
-- as in `leave_scheduled`.
SELECT coalesce(s.epoch, b.epoch, f.epoch, m.epoch), j.payload, j.envelope
FROM jobhost.job j
LEFT JOIN LATERAL (
    SELECT epoch FROM jobhost.scheduled
    WHERE job BETWEEN j.number AND j.number ORDER BY job FOR UPDATE
) s ON true
LEFT JOIN LATERAL (
    SELECT epoch FROM jobhost.blocked WHERE job = j.number FOR UPDATE
) b ON true
LEFT JOIN LATERAL (
    SELECT epoch FROM jobhost.ready
    WHERE queue = j.queue AND priority = j.priority AND lane = 1 AND seq = j.number
        AND job = j.number
    FOR UPDATE
) f ON true
LEFT JOIN LATERAL (
    SELECT epoch FROM jobhost.ready WHERE job = j.number AND seq <> job FOR UPDATE
) m ON true
WHERE j.number = :job AND coalesce(s.epoch, b.epoch, f.epoch, m.epoch) IS NOT NULL
