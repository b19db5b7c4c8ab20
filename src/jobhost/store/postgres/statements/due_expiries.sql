-- Jobs whose time to start is over, and that do not run: one that runs may end well. It is passed
-- over in the index each time, and there are never more of these than slots. What another worker
-- is at is left to it.
SELECT e.job, e.dropped FROM jobhost.expiry e
WHERE e.expires_at <= :now
    AND (SELECT true FROM jobhost.running r WHERE r.job = e.job) IS NULL
ORDER BY e.expires_at, e.job
LIMIT :limit
FOR UPDATE OF e SKIP LOCKED
