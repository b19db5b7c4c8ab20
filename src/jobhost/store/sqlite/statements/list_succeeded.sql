-- Newest successes first. Most jobs are successes, so walking back from the newest finds them.
SELECT * FROM jobhost_jobs
WHERE EXISTS (SELECT 1 FROM jobhost_done WHERE job = number AND state = 'succeeded')
    AND (:queue IS NULL OR queue = :queue) AND (:task IS NULL OR task = :task)
    AND number < :before
ORDER BY number DESC
LIMIT :limit
