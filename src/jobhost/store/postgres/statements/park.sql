-- They wait outside the queue. Their rows were locked when they were found. Each is in its first
-- place or where it came back to: looked for one after the other through laterals, so that of a
-- table that seems empty to the planner no index is walked from end to end, nor a whole queue.
INSERT INTO jobhost.blocked
    (job, reason, queue, priority, task, epoch, deliveries, failures, crashes,
     suspect_of)
SELECT job, :reason, queue, priority, task, epoch, deliveries, failures, crashes,
    :suspect_of
FROM jobhost.ready
WHERE ctid = ANY (ARRAY(
    SELECT place.ctid
    FROM json_array_elements_text(:jobs) e (job)
    CROSS JOIN LATERAL (
        SELECT number, queue, priority FROM jobhost.job WHERE number = e.job::bigint LIMIT 1
    ) j
    CROSS JOIN LATERAL (
        SELECT ctid FROM jobhost.ready
        WHERE queue = j.queue AND priority = j.priority AND lane = 1 AND seq = j.number
            AND job = j.number
        UNION ALL
        SELECT ctid FROM jobhost.ready WHERE job = j.number AND seq <> job
        LIMIT 1
    ) place
))
ORDER BY priority DESC, lane, seq
