-- Comes after the commit of the target. Idempotent: the first one counts.
UPDATE jobhost_moved SET ended_at = :now, copied_at = coalesce(copied_at, :now)
WHERE id = :id AND ended_at IS NULL
