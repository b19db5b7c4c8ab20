-- How many rows of a line stand in each of some windows of places, in the order of the windows. The
-- bound on the rows of one window keeps a wrong guess of its width from costing more than it tells.
SELECT (
    SELECT count(*) FROM (
        SELECT FROM jobhost.ready r
        WHERE r.queue = :queue AND r.priority = :priority AND r.lane = :lane
            AND r.seq >= p.place::bigint AND r.seq < p.place::bigint + :width
        LIMIT :rows
    ) seen
)
FROM json_array_elements_text(:places) WITH ORDINALITY AS p (place, number)
ORDER BY p.number
