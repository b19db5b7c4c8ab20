-- How far the latest time that the store has surely seen is ahead of now: of its newest job, of its
-- workers.
SELECT greatest(
    (SELECT created_at FROM jobhost.job ORDER BY number DESC LIMIT 1),
    (SELECT max(heartbeat_at) FROM jobhost.node WHERE ended_at IS NULL),
    0
) - :now
