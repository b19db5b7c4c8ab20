-- Renews a lease that is still live. No row changed: the lease was lost, and with it all jobs.
UPDATE jobhost_node SET heartbeat_at = :now, lease_until = :now + :lease_us
WHERE number = :node AND lease_until > :now
