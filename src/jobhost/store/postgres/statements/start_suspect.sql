-- Takes the suspect just found. Epoch and deliveries rise here as with every claim.
INSERT INTO jobhost.running
    (job, epoch, node, claimed_at, queue, priority, task, deliveries, failures, crashes)
SELECT job, epoch + 1, :node, :now, queue, priority, task, deliveries + 1, failures, crashes
FROM jobhost.blocked
WHERE job = :job
