-- Keeps what stands in a running job's row before its task replaces that: once for each attempt,
-- so that a job which says again and again how far it is does not fill the store. Guarded as
-- `save_checkpoint`.
INSERT INTO jobhost.revision (job, number, payload, reason, replaced_at)
SELECT r.job,
    1 + coalesce((SELECT max(v.number) FROM jobhost.revision v WHERE v.job = :job), 0),
    (SELECT j.payload FROM jobhost.job j WHERE j.number = :job), :reason, :now
FROM jobhost.running r
WHERE r.job = :job AND r.epoch = :epoch
    AND coalesce(
        (SELECT n.lease_until > :now FROM jobhost.node n WHERE n.number = r.node), false
    )
    AND (SELECT count(*) FROM jobhost.revision v WHERE v.job = :job AND v.reason = :reason) = 0
FOR UPDATE OF r
