-- How far the latest time that the store has surely seen is ahead of now: of its newest job, of its
-- workers.
SELECT max(
    coalesce((
        SELECT created_at FROM jobhost_job WHERE number = (SELECT max(number) FROM jobhost_job)
    ), 0),
    coalesce((SELECT max(heartbeat_at) FROM jobhost_node WHERE ended_at IS NULL), 0)
) - :now
