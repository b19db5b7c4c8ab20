-- What the next delivery of a running job gets in place of this one's arguments. Guarded as
-- `save_checkpoint`. A row given back means that it is kept.
WITH held AS (
    SELECT r.job FROM jobhost.running r
    WHERE r.job = :job AND r.epoch = :epoch AND coalesce(
        (SELECT n.lease_until > :now FROM jobhost.node n WHERE n.number = r.node), false
    )
    FOR UPDATE OF r
)
UPDATE jobhost.job SET payload = :payload
WHERE number = (SELECT job FROM held)
RETURNING number
