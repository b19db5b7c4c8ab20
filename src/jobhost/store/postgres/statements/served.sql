-- Parked jobs whose task a live node knows by now. One that somebody else is just moving is left
-- to them. The tasks are a value by itself, so that there is no join to be turned round.
SELECT b.job
FROM jobhost.blocked b
WHERE b.suspect_of IS NULL AND b.deferred_at IS NULL AND b.task = ANY (ARRAY(
    SELECT json_array_elements_text(n.tasks) FROM jobhost.node n
    WHERE n.ended_at IS NULL AND n.lease_until > :now
))
LIMIT :limit
FOR UPDATE OF b SKIP LOCKED
