-- The queues that some live node serves. Live nodes are few, and each names a handful.
SELECT DISTINCT json_array_elements_text(n.queues) FROM jobhost.node n
WHERE n.ended_at IS NULL AND n.lease_until > :now
