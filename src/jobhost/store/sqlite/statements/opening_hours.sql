-- The queues that have hours, with the window that was worked out of them last: as many as people
-- have named.
SELECT name, hours, zone, open_from, open_until, :now FROM jobhost_queue
WHERE open_until IS NOT NULL ORDER BY name LIMIT :limit
