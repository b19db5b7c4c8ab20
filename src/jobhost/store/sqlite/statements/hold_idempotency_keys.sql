-- What these keys of a task stand for. A key without a row gets one that stands for nothing.
INSERT INTO jobhost_idempotency (task, key, id, digest, until)
SELECT :task, value, zeroblob(16), '', 0 FROM json_each(:keys) WHERE true
ON CONFLICT (task, key) DO UPDATE SET key = excluded.key
RETURNING key, id, digest, until, :now
