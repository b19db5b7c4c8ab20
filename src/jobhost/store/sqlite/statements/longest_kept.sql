-- Since how long the success is over that has been kept longest, among the first jobs that are there;
-- null without any.
SELECT max(:now - ended_at)
FROM (SELECT state, ended_at FROM jobhost_done ORDER BY job LIMIT :looked_at)
WHERE state = 'succeeded'
