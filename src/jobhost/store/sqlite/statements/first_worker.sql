-- The first of all live workers.
SELECT min(number) FROM jobhost_node
WHERE ended_at IS NULL AND lease_until > :now AND kind = 'worker'
