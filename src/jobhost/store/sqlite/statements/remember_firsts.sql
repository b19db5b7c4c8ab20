-- These keys stand for these jobs until the window ends.
WITH first (key, id, digest) AS (VALUES (?, ?, ?))
INSERT INTO jobhost_idempotency (task, key, id, digest, until)
SELECT :task, key, id, digest, :now + :window_us FROM first
WHERE true
ON CONFLICT (task, key) DO UPDATE
SET id = excluded.id, digest = excluded.digest, until = excluded.until
