-- Who took these keys of a task last. A key without a row gets one of no job.
INSERT INTO jobhost_unique_key (task, key, job, id, epoch, until_start, taken_at)
SELECT :task, value, 0, zeroblob(16), 0, 0, 0 FROM json_each(:keys) WHERE true
ON CONFLICT (task, key) DO UPDATE SET key = excluded.key
RETURNING key, job, id, epoch, until_start, held_until, taken_at, :now
