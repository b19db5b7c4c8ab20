-- Scheduled jobs whose time has come, in the order in which they become ready.
SELECT job FROM jobhost_scheduled WHERE due_at <= :now ORDER BY due_at, priority DESC, job
LIMIT :limit
