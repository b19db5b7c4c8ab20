-- Nodes that hold jobs although they have ended or are unknown: a rescue of theirs was cut short,
-- or they claimed while it went on.
SELECT DISTINCT node FROM jobhost.running
WHERE node NOT IN (SELECT number FROM jobhost.node WHERE ended_at IS NULL)
