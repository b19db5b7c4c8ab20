-- The queues of which a job that waits too long, or a lack of room, is to be told; nothing but for the
-- first of the living workers, so that one of them looks and tells it for all.
SELECT name, paused_at, pause_reason, capacity, when_full, wait_us, expires_us, dropped,
    objective_us, hours, zone, open_from, open_until, raise_after_us, :now
FROM jobhost_queue
WHERE (objective_us IS NOT NULL OR capacity IS NOT NULL) AND EXISTS (
    SELECT 1 FROM (
        SELECT min(n.number) AS number FROM jobhost_node n
        WHERE n.ended_at IS NULL AND n.lease_until > :now AND n.kind = 'worker'
    ) first_one
    WHERE first_one.number = :node
)
ORDER BY name
LIMIT :limit
