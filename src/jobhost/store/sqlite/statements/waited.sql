-- The first jobs of a line, up to a place: those that have waited the longest.
SELECT seq, job FROM jobhost_ready
WHERE queue = :queue AND priority = :priority AND lane = :lane AND seq <= :below
ORDER BY seq
LIMIT :limit
