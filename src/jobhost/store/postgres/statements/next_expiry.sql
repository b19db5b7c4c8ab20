-- How long until the next job expires, by the store's clock; 0 or less when it is one that runs.
-- Not min(), as in `next_due`.
SELECT (SELECT expires_at FROM jobhost.expiry ORDER BY expires_at, job LIMIT 1) - :now
