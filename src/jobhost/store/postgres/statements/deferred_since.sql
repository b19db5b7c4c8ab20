-- When a job was set aside by its own task. No row: it is not.
SELECT deferred_at FROM jobhost.blocked
WHERE job = :job AND deferred_at IS NOT NULL
