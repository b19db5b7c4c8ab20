-- Supervisors of workers, and jobs that are suspected of having killed theirs.

-- kind: 'worker', 'node' (a supervisor; it runs no jobs), or 'lane' (a worker for suspects).
-- supervisor: the node that renews this worker's lease; NULL for who renews its own. vitals: JSON,
-- what the heartbeat told of memory and load. drain_requested_at: somebody wants it to stop.
ALTER TABLE jobhost_node ADD COLUMN kind TEXT NOT NULL DEFAULT 'worker';
ALTER TABLE jobhost_node ADD COLUMN supervisor INTEGER;
ALTER TABLE jobhost_node ADD COLUMN vitals TEXT;
ALTER TABLE jobhost_node ADD COLUMN drain_requested_at INTEGER;

-- suspect_of: the worker whose death made this job a suspect; NULL for a job that waits for a
-- worker that knows its task.
ALTER TABLE jobhost_blocked ADD COLUMN suspect_of INTEGER;

CREATE INDEX jobhost_blocked_suspect ON jobhost_blocked (suspect_of, job DESC)
WHERE suspect_of IS NOT NULL;
CREATE INDEX jobhost_blocked_aside ON jobhost_blocked (task, job)
WHERE suspect_of IS NOT NULL;
DROP INDEX jobhost_blocked_task;
CREATE INDEX jobhost_blocked_task ON jobhost_blocked (task) WHERE suspect_of IS NULL;
