-- Newest scheduled jobs first, from the table that holds just these.
SELECT * FROM jobhost_jobs
WHERE number IN (SELECT job FROM jobhost_scheduled)
    AND (:queue IS NULL OR queue = :queue) AND (:task IS NULL OR task = :task)
    AND number < :before
ORDER BY number DESC
LIMIT :limit
