-- Scheduled jobs whose time has come, in the order in which they become ready. One that somebody
-- else is just moving is left to them.
SELECT job FROM jobhost.scheduled WHERE due_at <= :now ORDER BY due_at, priority DESC, job
LIMIT :limit
FOR UPDATE SKIP LOCKED
