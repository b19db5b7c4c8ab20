-- These jobs have these keys from now on.
WITH taken (key, id) AS (VALUES (?, ?))
INSERT INTO jobhost_unique_key (task, key, job, id, epoch, until_start, held_until, taken_at)
SELECT :task, t.key, j.number, j.id, :epoch, :until_start, :now + :held_us, :now
FROM taken t
CROSS JOIN jobhost_job j ON j.id = t.id
WHERE true
ON CONFLICT (task, key) DO UPDATE
SET job = excluded.job, id = excluded.id, epoch = excluded.epoch,
    until_start = excluded.until_start, held_until = excluded.held_until,
    taken_at = excluded.taken_at
