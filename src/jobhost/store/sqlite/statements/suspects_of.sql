-- Jobs that were set aside for one death, oldest first.
SELECT job FROM jobhost_blocked WHERE suspect_of = :worker ORDER BY job LIMIT :limit
