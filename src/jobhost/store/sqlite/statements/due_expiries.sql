-- Jobs whose time to start is over, and that do not run: one that runs may end well. It is passed
-- over in the index each time, and there are never more of these than slots.
SELECT e.job, e.dropped FROM jobhost_expiry e
WHERE e.expires_at <= :now
    AND NOT EXISTS (SELECT 1 FROM jobhost_running r WHERE r.job = e.job)
ORDER BY e.expires_at, e.job
LIMIT :limit
