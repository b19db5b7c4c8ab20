-- The deferred job of this number, and a lock on its row, so that it is resumed once.
SELECT job FROM jobhost.blocked
WHERE job = :job AND deferred_at IS NOT NULL
FOR UPDATE
