-- The first of all live workers.
SELECT min(number) FROM jobhost.node
WHERE ended_at IS NULL AND lease_until > :now AND kind = 'worker'
