-- The latest time that the store has surely seen: of its newest job, of its workers.
SELECT max(
    coalesce((
        SELECT created_at FROM jobhost_job WHERE number = (SELECT max(number) FROM jobhost_job)
    ), 0),
    coalesce((SELECT max(heartbeat_at) FROM jobhost_node WHERE ended_at IS NULL), 0)
)
