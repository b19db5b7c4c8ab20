-- The lines of these queues: what waits in one queue, priority and lane, in the order of claims. Of
-- each the first and the last place, the job at its head, its length up to a bound, and between
-- which two instants the head became ready: places and jobs draw from one rising number, so it was
-- after the last job numbered below it was accepted, and not after the next one was. The job of a
-- fresh head is that next one itself. One step in an index for each queue, priority and lane.
WITH RECURSIVE line (queue, priority) AS (
    SELECT q.name, (
        SELECT r.priority FROM jobhost.ready r WHERE r.queue = q.name
        ORDER BY r.queue, r.priority DESC, r.lane, r.seq LIMIT 1
    )
    FROM json_array_elements_text(:queues) q (name)
    UNION ALL
    SELECT l.queue, (
        SELECT r.priority FROM jobhost.ready r WHERE r.queue = l.queue AND r.priority < l.priority
        ORDER BY r.queue, r.priority DESC, r.lane, r.seq LIMIT 1
    )
    FROM line l WHERE l.priority IS NOT NULL
), head AS MATERIALIZED (
    SELECT l.queue, l.priority, n.lane, first.seq AS first_seq, first.job
    FROM line l
    CROSS JOIN (VALUES (0::smallint), (1::smallint)) n (lane)
    CROSS JOIN LATERAL (
        SELECT r.seq, r.job FROM jobhost.ready r
        WHERE r.queue = l.queue AND r.priority = l.priority AND r.lane = n.lane
        ORDER BY r.queue, r.priority DESC, r.lane, r.seq LIMIT 1
    ) first
    WHERE l.priority IS NOT NULL
)
SELECT h.queue, h.priority, h.lane, h.first_seq, (
        SELECT r.seq FROM jobhost.ready r
        WHERE r.queue = h.queue AND r.priority = h.priority AND r.lane = h.lane
        ORDER BY r.queue DESC, r.priority, r.lane DESC, r.seq DESC LIMIT 1
    ), h.job, (
        SELECT count(*) FROM (
            SELECT FROM jobhost.ready r
            WHERE r.queue = h.queue AND r.priority = h.priority AND r.lane = h.lane
                AND r.seq >= h.first_seq
            LIMIT :counted
        ) counted
    ), (
        SELECT j.created_at FROM jobhost.job j WHERE j.number < h.first_seq
        ORDER BY j.number DESC LIMIT 1
    ), (
        SELECT j.created_at FROM jobhost.job j WHERE j.number >= h.first_seq
        ORDER BY j.number LIMIT 1
    ), :now
FROM head h
ORDER BY h.queue, h.priority DESC, h.lane
LIMIT :limit
