-- Parked jobs whose task a live node knows by now. One that somebody else is just moving is left
-- to them.
SELECT b.job
FROM jobhost.blocked b
WHERE b.task IN (
    SELECT json_array_elements_text(n.tasks) FROM jobhost.node n
    WHERE n.ended_at IS NULL AND n.lease_until > :now
)
LIMIT :limit
FOR UPDATE OF b SKIP LOCKED
