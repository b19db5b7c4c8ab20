-- Which jobs stand in this node's name, with their epochs and counts.
SELECT job, epoch, failures, crashes FROM jobhost.running WHERE node = :node
