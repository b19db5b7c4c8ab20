-- Whether the node's lease is live. Read inside the writing transaction, which excludes every
-- other writer until it ends.
SELECT 1 FROM jobhost_node WHERE number = :node AND lease_until > :now
