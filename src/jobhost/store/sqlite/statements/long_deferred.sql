-- Jobs that their own task set aside long ago and nobody has fetched, among the oldest of all that
-- are blocked: how many of each task, and for how long the first of them.
SELECT b.task, count(*), max(:now - b.deferred_at)
FROM (SELECT task, deferred_at FROM jobhost_blocked ORDER BY job LIMIT :looked_at) b
WHERE b.deferred_at <= :now - :long_us
GROUP BY b.task
ORDER BY max(:now - b.deferred_at) DESC, b.task
