-- Jobs of one task that wait in the lane for its crashes and never ran themselves, locked. Asked for
-- as a stretch, since only the index of what is set aside has that order.
SELECT job FROM jobhost.blocked
WHERE suspect_of IS NOT NULL AND task BETWEEN :task AND :task AND reason = :reason
ORDER BY task, job LIMIT :limit
FOR UPDATE SKIP LOCKED
