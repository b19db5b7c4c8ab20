-- Takes the row just locked, and not another that happens to have its place. Epoch and deliveries
-- rise here, at the claim, so that a job that kills its worker is counted.
INSERT INTO jobhost.running
    (job, epoch, node, claimed_at, queue, priority, task, deliveries, failures, crashes)
SELECT job, epoch + 1, :node, :now, queue, priority, task, deliveries + 1, failures, crashes
FROM jobhost.ready
WHERE queue = :queue AND priority = :priority AND lane = :lane
    AND seq BETWEEN :first_seq AND :last_seq AND job = :job
