-- They get a place at the end of another line of their queue, in the order that they had. Found by
-- their place, which is a step in the key for each.
INSERT INTO jobhost_ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT r.queue, :raised, r.lane, :first_seq + e.key, r.job, r.task, r.epoch, r.deliveries,
    r.failures, r.crashes
FROM json_each(:places) e
CROSS JOIN jobhost_ready r
    ON r.queue = :queue AND r.priority = :priority AND r.lane = :lane
        AND r.seq = json_extract(e.value, '$[0]')
