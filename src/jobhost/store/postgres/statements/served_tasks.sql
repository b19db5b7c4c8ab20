-- The tasks that some live worker knows. Live nodes are few.
SELECT DISTINCT json_array_elements_text(n.tasks) FROM jobhost.node n
WHERE n.ended_at IS NULL AND n.lease_until > :now AND n.kind <> 'node'
