-- The tasks that some live worker knows. Live nodes are few.
SELECT DISTINCT t.value FROM jobhost_node n, json_each(n.tasks) t
WHERE n.ended_at IS NULL AND n.lease_until > :now AND n.kind <> 'node'
