-- Who stands first in a queue.
SELECT priority, lane, seq FROM jobhost_ready
WHERE queue = :queue ORDER BY priority DESC, lane, seq LIMIT 1
