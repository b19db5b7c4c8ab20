-- Among the first jobs of a queue, those whose task no live node knows. Only the head is looked
-- at: it is what stands in the way of others, and the cost stays bounded.
SELECT h.job
FROM (
    SELECT job, task FROM jobhost_ready
    WHERE queue = :queue ORDER BY priority DESC, lane, seq LIMIT :limit
) h
WHERE h.task NOT IN (
    SELECT t.value FROM jobhost_node n, json_each(n.tasks) t
    WHERE n.ended_at IS NULL AND n.lease_until > :now
)
