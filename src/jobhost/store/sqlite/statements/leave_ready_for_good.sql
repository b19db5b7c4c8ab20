-- The other half of `expire_ready` and `drop_oldest`, for jobs in any queue. Found as there; the
-- places stand in a query of their own, or the whole table would be walked.
DELETE FROM jobhost_ready
WHERE (queue, priority, lane, seq) IN (
    SELECT * FROM (
        SELECT r.queue, r.priority, r.lane, r.seq
        FROM json_each(:jobs) e
        CROSS JOIN jobhost_job j ON j.number = e.value
        CROSS JOIN jobhost_ready r
            ON r.queue = j.queue AND r.priority = j.priority AND r.lane = 1 AND r.seq = j.number
                AND r.job = j.number
        UNION ALL
        SELECT r.queue, r.priority, r.lane, r.seq
        FROM json_each(:jobs) e
        CROSS JOIN jobhost_ready r ON r.job = e.value AND r.epoch = 0 AND r.seq <> r.job
        UNION ALL
        SELECT r.queue, r.priority, r.lane, r.seq
        FROM json_each(:jobs) e
        CROSS JOIN jobhost_ready r ON r.job = e.value AND r.epoch > 0
    )
)
