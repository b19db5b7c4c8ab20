-- The next jobs of a queue, in the order of `claim_ready`, whoever knows their tasks.
SELECT v.* FROM (
    SELECT job, priority, lane, seq FROM jobhost_ready
    WHERE queue = :queue ORDER BY priority DESC, lane, seq LIMIT :limit
) head
CROSS JOIN jobhost_jobs v ON v.number = head.job
ORDER BY head.priority DESC, head.lane, head.seq
