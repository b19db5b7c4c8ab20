-- The queues in which waiting jobs are raised after an age; nothing but for the first of the living
-- workers, so that one of them does it for all.
SELECT name FROM jobhost_queue
WHERE raise_after_us IS NOT NULL AND EXISTS (
    SELECT 1 FROM (
        SELECT min(n.number) AS number FROM jobhost_node n
        WHERE n.ended_at IS NULL AND n.lease_until > :now AND n.kind = 'worker'
    ) first_one
    WHERE first_one.number = :node
)
ORDER BY name
LIMIT :limit
