-- Among the first jobs of a queue, those of the tasks named. Only the head is looked at: it is
-- what stands in the way of others, and the cost stays bounded.
SELECT h.job
FROM (
    SELECT job, task FROM jobhost_ready
    WHERE queue = :queue ORDER BY priority DESC, lane, seq LIMIT :limit
) h
WHERE h.task IN (SELECT value FROM json_each(:tasks))
