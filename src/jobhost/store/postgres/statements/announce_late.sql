-- Wakes workers once the caller's transaction commits. That may be long after, so it counts that a
-- worker lives, and not whether one wants to be woken now.
SELECT pg_notify('jobhost:wake', :occasion)
WHERE EXISTS (SELECT FROM jobhost.node WHERE ended_at IS NULL)
