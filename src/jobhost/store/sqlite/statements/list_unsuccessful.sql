-- Newest dead or cancelled jobs first; an index holds just these.
SELECT * FROM jobhost_jobs
WHERE number IN (SELECT job FROM jobhost_done WHERE state = :state AND state <> 'succeeded')
    AND (:queue IS NULL OR queue = :queue) AND (:task IS NULL OR task = :task)
    AND number < :before
ORDER BY number DESC
LIMIT :limit
