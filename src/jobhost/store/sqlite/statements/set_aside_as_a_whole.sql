-- Jobs of one task that wait in the lane for its crashes and never ran themselves.
SELECT job FROM jobhost_blocked
WHERE suspect_of IS NOT NULL AND task = :task AND reason = :reason
ORDER BY job LIMIT :limit
