-- Since how long the success is over that has been kept longest, among the first jobs that are there;
-- null without any.
SELECT max(:now - ended_at)
FROM (SELECT state, ended_at FROM jobhost.done ORDER BY job LIMIT :looked_at) first_ones
WHERE state = 'succeeded'
