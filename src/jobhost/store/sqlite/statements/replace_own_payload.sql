-- What the next delivery of a running job gets in place of this one's arguments. Guarded as
-- `save_checkpoint`. A row given back means that it is kept.
UPDATE jobhost_job SET payload = :payload
WHERE number = :job AND EXISTS (
    SELECT 1 FROM jobhost_running r CROSS JOIN jobhost_node n ON n.number = r.node
    WHERE r.job = :job AND r.epoch = :epoch AND n.lease_until > :now
)
RETURNING number
