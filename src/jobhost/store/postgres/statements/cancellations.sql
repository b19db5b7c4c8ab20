-- Cancels on their way to jobs of this node. The table is nearly always empty.
SELECT c.job, c.reason
FROM jobhost.cancellation c
JOIN jobhost.running r ON r.job = c.job
WHERE r.node = :node
