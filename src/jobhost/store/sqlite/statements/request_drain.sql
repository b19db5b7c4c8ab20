-- It hears of this with its next heartbeat. A supervised worker has none: its node is asked instead.
-- Asked twice, the first time counts.
UPDATE jobhost_node SET drain_requested_at = coalesce(drain_requested_at, :now)
WHERE number = :node AND ended_at IS NULL AND lease_until > :now AND supervisor IS NULL
