-- Cancels on their way to jobs of this node. The table is nearly always empty, so it comes first.
SELECT c.job, c.reason
FROM jobhost.cancellation c
CROSS JOIN LATERAL (
    SELECT FROM jobhost.running r WHERE r.job = c.job AND r.node = :node LIMIT 1
) held
