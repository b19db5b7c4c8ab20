-- The other half of parking and of a cancel. It walks the queue, since the key of ready starts
-- with the place and not with the job; both are rare.
DELETE FROM jobhost_ready
WHERE queue = :queue AND job IN (SELECT value FROM json_each(:jobs))
