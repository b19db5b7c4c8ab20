-- How many jobs are in each state, and when the next scheduled one is due. It counts rows, so
-- its cost grows with the store: for people, never for the worker.
SELECT 'ready', count(*), NULL FROM jobhost_ready
UNION ALL SELECT 'scheduled', count(*), min(due_at) FROM jobhost_scheduled
UNION ALL SELECT 'blocked', count(*), NULL FROM jobhost_blocked
UNION ALL SELECT 'running', count(*), NULL FROM jobhost_running
UNION ALL SELECT state, count(*), NULL FROM jobhost_done GROUP BY state
