-- How many jobs of a queue wait, and could start if there were room: no more than the bound of them
-- is looked at, twice. From the end of the queue, since what was claimed lately lies at its head.
SELECT (
    SELECT count(*) FROM (
        SELECT FROM jobhost.ready WHERE queue = :queue
        ORDER BY queue DESC, priority, lane DESC, seq DESC LIMIT :limit
    ) ready
) + (
    SELECT count(*) FROM (
        SELECT FROM jobhost.blocked WHERE queue = :queue ORDER BY queue LIMIT :limit
    ) blocked
)
