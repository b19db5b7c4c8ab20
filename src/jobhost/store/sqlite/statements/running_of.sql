-- What a dead node left behind, in the order in which it had claimed it.
SELECT r.job, r.epoch, r.deliveries, r.failures, r.crashes,
    (SELECT count(*) FROM jobhost_attempt a
     WHERE a.job = r.job AND a.outcome = 'crashed' AND a.epoch > r.epoch - r.deliveries),
    r.task,
    (SELECT a.node FROM jobhost_attempt a WHERE a.job = r.job AND a.outcome = 'crashed'
         AND a.epoch > r.epoch - r.deliveries
     ORDER BY a.epoch DESC LIMIT 1)
FROM jobhost_running r
WHERE r.node = :node
ORDER BY r.priority DESC, r.claimed_at, r.job
LIMIT :limit
