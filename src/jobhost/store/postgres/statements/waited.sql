-- The first jobs of a line, up to a place: those that have waited the longest. Locked, and so with
-- an id for this transaction before it draws places for them; what is just being claimed is left.
SELECT seq, job FROM jobhost.ready
WHERE queue = :queue AND priority = :priority AND lane = :lane AND seq <= :below
ORDER BY queue, priority DESC, lane, seq
LIMIT :limit
FOR UPDATE SKIP LOCKED
