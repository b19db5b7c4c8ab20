-- The queues that some live node serves. Live nodes are few, and each names a handful.
SELECT DISTINCT q.value FROM jobhost_node n, json_each(n.queues) q
WHERE n.ended_at IS NULL AND n.lease_until > :now
