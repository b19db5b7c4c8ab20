-- Who took these keys of a task last, and the right to take them until the transaction ends, as in
-- `hold_idempotency_keys`. A key without a row gets one of no job.
INSERT INTO jobhost.unique_key (task, key, job, id, epoch, until_start, taken_at)
SELECT :task, k.key, 0, '00000000-0000-0000-0000-000000000000', 0, false, 0
FROM json_array_elements_text(:keys) WITH ORDINALITY AS k (key, place)
ORDER BY k.place
ON CONFLICT (task, key) DO UPDATE SET key = excluded.key
RETURNING key, job, uuid_send(id), epoch, until_start, held_until, taken_at, :now
