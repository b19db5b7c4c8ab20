-- These keys stand for these jobs until the window ends. Their rows are held.
INSERT INTO jobhost.idempotency (task, key, id, digest, until)
SELECT :task, e.value ->> 'key', (e.value ->> 'id')::uuid, e.value ->> 'digest', :now + :window_us
FROM json_array_elements(:firsts) AS e (value)
ON CONFLICT (task, key) DO UPDATE
SET id = excluded.id, digest = excluded.digest, until = excluded.until
