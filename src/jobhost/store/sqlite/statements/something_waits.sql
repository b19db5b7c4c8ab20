-- Whether a queue has anything left that is ready or in work; for a worker that ends when not.
SELECT 1 FROM jobhost_ready WHERE queue IN (SELECT value FROM json_each(:queues))
UNION ALL
SELECT 1 FROM jobhost_running WHERE queue IN (SELECT value FROM json_each(:queues))
LIMIT 1
