-- What these keys of a task stand for, and the right to say so until the transaction ends: whoever
-- else wants one of them waits here. A key without a row gets one that stands for nothing. They come
-- sorted, so that two who want the same ones do not wait for each other.
INSERT INTO jobhost.idempotency (task, key, id, digest, until)
SELECT :task, k.key, '00000000-0000-0000-0000-000000000000', '', 0
FROM json_array_elements_text(:keys) WITH ORDINALITY AS k (key, place)
ORDER BY k.place
ON CONFLICT (task, key) DO UPDATE SET key = excluded.key
RETURNING key, uuid_send(id), digest, until, :now
