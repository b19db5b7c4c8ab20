-- Among the first jobs of a queue, those of the tasks named, locked. Only the head is looked at:
-- it is what stands in the way of others, and the cost stays bounded.
SELECT r.job
FROM jobhost.ready r
WHERE r.ctid = ANY (ARRAY(
    SELECT h.ctid FROM jobhost.ready h
    WHERE h.queue = :queue ORDER BY h.queue, h.priority DESC, h.lane, h.seq LIMIT :limit
)) AND r.task IN (SELECT json_array_elements_text(:tasks))
ORDER BY r.priority DESC, r.lane, r.seq
FOR UPDATE OF r SKIP LOCKED
