-- Parked jobs whose task a live node knows by now.
SELECT b.job
FROM jobhost_blocked b
WHERE b.suspect_of IS NULL AND b.deferred_at IS NULL AND b.task IN (
    SELECT t.value FROM jobhost_node n, json_each(n.tasks) t
    WHERE n.ended_at IS NULL AND n.lease_until > :now
)
LIMIT :limit
