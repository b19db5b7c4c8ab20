-- The deferred job of this number.
SELECT job FROM jobhost_blocked
WHERE job = :job AND deferred_at IS NOT NULL
