-- Idempotency keys whose window has ended. One that somebody holds just now is left to them.
DELETE FROM jobhost.idempotency
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM jobhost.idempotency WHERE until <= :now ORDER BY until LIMIT :limit
    FOR UPDATE SKIP LOCKED
))
