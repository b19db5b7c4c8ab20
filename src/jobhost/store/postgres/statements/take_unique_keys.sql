-- These jobs have these keys from now on. The rows of the keys are held.
INSERT INTO jobhost.unique_key (task, key, job, id, epoch, until_start, held_until, taken_at)
SELECT :task, e.value ->> 'key', j.number, j.id, :epoch, :until_start, :now + :held_us, :now
FROM json_array_elements(:taken) AS e (value)
CROSS JOIN LATERAL (
    SELECT number, id FROM jobhost.job WHERE id = (e.value ->> 'id')::uuid LIMIT 1
) j
ON CONFLICT (task, key) DO UPDATE
SET job = excluded.job, id = excluded.id, epoch = excluded.epoch,
    until_start = excluded.until_start, held_until = excluded.held_until,
    taken_at = excluded.taken_at
