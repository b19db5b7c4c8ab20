-- A node ends once. With :only_lapsed it must also have let its lease run out until now, so
-- that a renewal that came in between saves it. Who holds the lease (`hold_lease`) is waited for: an
-- update alone would pass that lock, as heartbeats do.
UPDATE jobhost.node SET ended_at = :now, end_reason = :reason, lease_until = 0
WHERE number = (
    SELECT number FROM jobhost.node
    WHERE number = :node AND ended_at IS NULL AND (NOT :only_lapsed OR lease_until <= :now)
    FOR UPDATE
)
