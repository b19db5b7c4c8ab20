-- Whether the node's lease is live. The lock keeps the node from being buried until the end, and lets
-- heartbeats pass: one that waited for a worker frozen in its transaction would lose all leases.
SELECT 1 FROM jobhost.node WHERE number = :node AND lease_until > :now FOR KEY SHARE
