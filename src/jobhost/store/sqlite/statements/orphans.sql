-- Nodes that hold jobs although they have ended or are unknown: a rescue of theirs was cut short.
SELECT DISTINCT node FROM jobhost_running
WHERE node NOT IN (SELECT number FROM jobhost_node WHERE ended_at IS NULL)
