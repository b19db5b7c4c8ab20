-- Whether the node's lease is live. The lock keeps the node from being buried until the end.
SELECT 1 FROM jobhost.node WHERE number = :node AND lease_until > :now FOR SHARE
