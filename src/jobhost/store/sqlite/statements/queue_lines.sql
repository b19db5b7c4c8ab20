-- The lines of these queues: what waits in one queue, priority and lane, in the order of claims. Of
-- each the first and the last place, the job at its head, its length up to a bound, and between
-- which two instants the head became ready: places and jobs draw from one rising number, so it was
-- after the last job numbered below it was accepted, and not after the next one was. The job of a
-- fresh head is that next one itself. One step in a key for each queue, priority and lane.
WITH RECURSIVE line (queue, priority) AS (
    SELECT q.value, (
        SELECT r.priority FROM jobhost_ready r WHERE r.queue = q.value
        ORDER BY r.priority DESC LIMIT 1
    )
    FROM json_each(:queues) q
    UNION ALL
    SELECT l.queue, (
        SELECT r.priority FROM jobhost_ready r WHERE r.queue = l.queue AND r.priority < l.priority
        ORDER BY r.priority DESC LIMIT 1
    )
    FROM line l WHERE l.priority IS NOT NULL
), head AS MATERIALIZED (
    SELECT l.queue, l.priority, n.lane, (
        SELECT r.seq FROM jobhost_ready r
        WHERE r.queue = l.queue AND r.priority = l.priority AND r.lane = n.lane
        ORDER BY r.seq LIMIT 1
    ) AS first_seq
    FROM line l CROSS JOIN (SELECT 0 AS lane UNION ALL SELECT 1) n
    WHERE l.priority IS NOT NULL
)
SELECT h.queue, h.priority, h.lane, h.first_seq, (
        SELECT r.seq FROM jobhost_ready r
        WHERE r.queue = h.queue AND r.priority = h.priority AND r.lane = h.lane
        ORDER BY r.seq DESC LIMIT 1
    ), (
        SELECT r.job FROM jobhost_ready r
        WHERE r.queue = h.queue AND r.priority = h.priority AND r.lane = h.lane
            AND r.seq = h.first_seq
    ), (
        SELECT count(*) FROM (
            SELECT 1 FROM jobhost_ready r
            WHERE r.queue = h.queue AND r.priority = h.priority AND r.lane = h.lane
            LIMIT :counted
        )
    ), (
        SELECT j.created_at FROM jobhost_job j WHERE j.number < h.first_seq
        ORDER BY j.number DESC LIMIT 1
    ), (
        SELECT j.created_at FROM jobhost_job j WHERE j.number >= h.first_seq
        ORDER BY j.number LIMIT 1
    ), :now
FROM head h
WHERE h.first_seq IS NOT NULL
ORDER BY h.queue, h.priority DESC, h.lane
LIMIT :limit
