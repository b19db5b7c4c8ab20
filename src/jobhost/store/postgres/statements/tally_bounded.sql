-- How many jobs are in the states that no queue shows, each counted up to a bound, along an index
-- that the order names.
SELECT 'scheduled', count(*)
FROM (SELECT 1 FROM jobhost.scheduled ORDER BY job LIMIT :limit) s
UNION ALL SELECT 'blocked', count(*)
FROM (SELECT 1 FROM jobhost.blocked ORDER BY job LIMIT :limit) b
UNION ALL SELECT 'dead', count(*)
FROM (
    SELECT 1 FROM jobhost.done
    WHERE state = 'dead' AND state <> 'succeeded' ORDER BY state DESC, job DESC LIMIT :limit
) d
