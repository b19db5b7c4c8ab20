-- Since how long the window of an idempotency key has been over: of the first one; null without any.
SELECT :now - (SELECT until FROM jobhost_idempotency ORDER BY until LIMIT 1)
