-- The next suspect, locked: of the oldest death first, and there the newest job, which is the
-- likeliest. The tasks are a value by itself and the job is looked up afterwards, so that the index
-- gives the order and the first row ends the look, however many are set aside.
SELECT b.job, b.epoch + 1, b.deliveries + 1, b.failures, b.crashes, b.queue, b.priority,
    uuid_send(j.id), b.task, j.payload, j.envelope, uuid_send(j.parent), j.created_at, 0, 0
FROM (
    SELECT * FROM jobhost.blocked
    WHERE suspect_of IS NOT NULL AND task = ANY (ARRAY(SELECT json_array_elements_text(:tasks)))
    ORDER BY suspect_of, job DESC
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) b
CROSS JOIN LATERAL (SELECT * FROM jobhost.job WHERE number = b.job LIMIT 1) j
