-- The queues that have an objective or a capacity, and their hours, without what people
-- said of them in words.
SELECT name, objective_us, capacity, when_full, hours, zone, open_from, open_until, :now
FROM jobhost.queue
WHERE objective_us IS NOT NULL OR capacity IS NOT NULL ORDER BY name LIMIT :limit
