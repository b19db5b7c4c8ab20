-- How many jobs are in the states that no queue shows, each counted up to a bound.
SELECT 'scheduled', count(*) FROM (SELECT 1 FROM jobhost_scheduled LIMIT :limit)
UNION ALL SELECT 'blocked', count(*) FROM (SELECT 1 FROM jobhost_blocked LIMIT :limit)
UNION ALL SELECT 'dead', count(*) FROM (
    SELECT 1 FROM jobhost_done WHERE state = 'dead' AND state <> 'succeeded' LIMIT :limit
)
