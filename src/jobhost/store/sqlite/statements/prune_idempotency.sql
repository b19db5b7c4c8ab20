-- Idempotency keys whose window has ended.
DELETE FROM jobhost_idempotency
WHERE (task, key) IN (
    SELECT task, key FROM jobhost_idempotency WHERE until <= :now ORDER BY until LIMIT :limit
)
