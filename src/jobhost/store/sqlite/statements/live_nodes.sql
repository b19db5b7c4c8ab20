-- Nodes that have not ended, whether their lease is live or not.
SELECT number, id, host, pid, lease_until <= :now, kind, supervisor FROM jobhost_node WHERE ended_at IS NULL
