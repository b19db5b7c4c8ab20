-- How many rows of a line stand in each of some windows of places, in the order of the windows. The
-- bound on the rows of one window keeps a wrong guess of its width from costing more than it tells.
SELECT (
    SELECT count(*) FROM (
        SELECT 1 FROM jobhost_ready r
        WHERE r.queue = :queue AND r.priority = :priority AND r.lane = :lane
            AND r.seq >= p.value AND r.seq < p.value + :width
        LIMIT :rows
    )
)
FROM json_each(:places) p
ORDER BY p.key
