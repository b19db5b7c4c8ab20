-- Newest jobs first, in whichever state.
SELECT * FROM jobhost_jobs
WHERE (:queue IS NULL OR queue = :queue) AND (:task IS NULL OR task = :task)
    AND number < :before
ORDER BY number DESC
LIMIT :limit
