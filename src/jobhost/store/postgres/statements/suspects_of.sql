-- Jobs that were set aside for one death, oldest first, locked. One that is just being claimed is
-- left to who does. Asked for as a stretch, since only the index of suspects has that order.
SELECT job FROM jobhost.blocked WHERE suspect_of BETWEEN :worker AND :worker
ORDER BY suspect_of DESC, job LIMIT :limit
FOR UPDATE SKIP LOCKED
