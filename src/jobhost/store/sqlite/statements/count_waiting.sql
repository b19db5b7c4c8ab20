-- How many jobs of a queue wait, and could start if there were room: no more than the bound of them
-- is looked at, twice.
SELECT (
    SELECT count(*) FROM (SELECT 1 FROM jobhost_ready WHERE queue = :queue LIMIT :limit)
) + (
    SELECT count(*) FROM (SELECT 1 FROM jobhost_blocked WHERE queue = :queue LIMIT :limit)
)
