-- The queues that have an objective or a capacity, without what people said of them in words.
SELECT name, objective_us, capacity, when_full FROM jobhost.queue
WHERE objective_us IS NOT NULL OR capacity IS NOT NULL ORDER BY name LIMIT :limit
