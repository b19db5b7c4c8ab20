-- Keeps what stands in a running job's row before its task replaces that: once for each attempt,
-- so that a job which says again and again how far it is does not fill the store. Guarded as
-- `save_checkpoint`.
INSERT INTO jobhost_revision (job, number, payload, reason, replaced_at)
SELECT j.number,
    1 + (SELECT coalesce(max(v.number), 0) FROM jobhost_revision v WHERE v.job = j.number),
    j.payload, :reason, :now
FROM jobhost_running r
CROSS JOIN jobhost_node n ON n.number = r.node
CROSS JOIN jobhost_job j ON j.number = r.job
WHERE r.job = :job AND r.epoch = :epoch AND n.lease_until > :now
    AND NOT EXISTS (
        SELECT 1 FROM jobhost_revision v WHERE v.job = r.job AND v.reason = :reason
    )
