-- How many jobs are in each state, and when the next scheduled one is due. It counts rows, so
-- its cost grows with the store: for people, never for the worker.
SELECT 'ready', count(*), NULL::bigint FROM jobhost.ready
UNION ALL SELECT 'scheduled', count(*), min(due_at) FROM jobhost.scheduled
UNION ALL SELECT 'blocked', count(*), NULL FROM jobhost.blocked
UNION ALL SELECT 'running', count(*), NULL FROM jobhost.running
UNION ALL SELECT state, count(*), NULL FROM jobhost.done GROUP BY state
