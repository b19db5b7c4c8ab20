-- Supervisors of workers, and jobs that are suspected of having killed theirs.

-- kind: 'worker', 'node' (a supervisor; it runs no jobs), or 'lane' (a worker for suspects).
-- supervisor: the node that renews this worker's lease; NULL for who renews its own. vitals: JSON,
-- what the heartbeat told of memory and load. drain_requested_at: somebody wants it to stop.
ALTER TABLE jobhost.node ADD COLUMN kind text NOT NULL DEFAULT 'worker';
ALTER TABLE jobhost.node ADD COLUMN supervisor bigint;
ALTER TABLE jobhost.node ADD COLUMN vitals text;
ALTER TABLE jobhost.node ADD COLUMN drain_requested_at bigint;

-- suspect_of: the worker whose death made this job a suspect; NULL for a job that waits for a
-- worker that knows its task.
ALTER TABLE jobhost.blocked ADD COLUMN suspect_of bigint;

CREATE INDEX blocked_suspect ON jobhost.blocked (suspect_of, job DESC)
WHERE suspect_of IS NOT NULL;
CREATE INDEX blocked_aside ON jobhost.blocked (task, job)
WHERE suspect_of IS NOT NULL;
DROP INDEX jobhost.blocked_task;
CREATE INDEX blocked_task ON jobhost.blocked (task) WHERE suspect_of IS NULL;

-- The statements look for a waiting job themselves.
DROP FUNCTION jobhost.place_in_ready(bigint);
