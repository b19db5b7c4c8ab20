-- They get a place at the end of another line of their queue, in the order that they had. Found by
-- their place, which is a step in the index for each; two may have the same, so the job counts too.
-- They leave and enter: a row of `ready` is never changed.
INSERT INTO jobhost.ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT r.queue, :raised, r.lane, :first_seq + e.place - 1, r.job, r.task, r.epoch, r.deliveries,
    r.failures, r.crashes
FROM json_array_elements(:places) WITH ORDINALITY AS e (at, place)
CROSS JOIN LATERAL (
    SELECT * FROM jobhost.ready
    WHERE queue = :queue AND priority = :priority AND lane = :lane AND seq = (e.at ->> 0)::bigint
        AND job = (e.at ->> 1)::bigint
    ORDER BY queue, priority DESC, lane, seq
    LIMIT 1
) r
