-- The first schema. The row of a job is written once and never changed; which of the
-- narrow tables ready, scheduled, blocked, running and done holds the job is its state.
-- Instants are microseconds since 1970 in UTC.

-- One rising number for everything: rows of jobs, places in a queue, nodes. Never reused,
-- so that neither a job number nor a node number can mean two things. The last one drawn is
-- this value or the highest number of a job: to accept a job is not to write here as well.
CREATE TABLE jobhost_sequence (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    value INTEGER NOT NULL
);

INSERT INTO jobhost_sequence VALUES (1, 0);

-- Written once at enqueue. id: the 16 bytes of the producer's UUID. envelope: JSON of what
-- differs from the defaults, or NULL.
CREATE TABLE jobhost_job (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    task TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    payload TEXT NOT NULL,
    envelope TEXT,
    parent BLOB,
    created_at INTEGER NOT NULL
);

-- What a job's row says of the numbers drawn must outlive it.
CREATE TRIGGER jobhost_job_number_stays_drawn BEFORE DELETE ON jobhost_job
WHEN old.number > (SELECT value FROM jobhost_sequence)
BEGIN
    UPDATE jobhost_sequence SET value = old.number;
END;

-- The children of a job, for the few jobs that have a parent.
CREATE INDEX jobhost_job_parent ON jobhost_job (parent) WHERE parent IS NOT NULL;

-- In the order in which jobs are claimed. lane 0: come back, before lane 1: fresh.
CREATE TABLE jobhost_ready (
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    job INTEGER NOT NULL,
    task TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    PRIMARY KEY (queue, priority DESC, lane, seq)
) WITHOUT ROWID;

-- Finds the counts of a job that came back. Fresh jobs, which have none, never enter it.
CREATE INDEX jobhost_ready_again ON jobhost_ready (job) WHERE epoch > 0;

CREATE TABLE jobhost_scheduled (
    job INTEGER PRIMARY KEY,
    due_at INTEGER NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    task TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    crashes INTEGER NOT NULL
);

CREATE INDEX jobhost_scheduled_due ON jobhost_scheduled (due_at, priority DESC, job);

-- reason: what the job waits for, in words.
CREATE TABLE jobhost_blocked (
    job INTEGER PRIMARY KEY,
    reason TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    task TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    crashes INTEGER NOT NULL
);

CREATE INDEX jobhost_blocked_task ON jobhost_blocked (task);

-- node: who holds it; the right to it ends with that node's lease. No second index: it would
-- be paid by every claim, and the table is never larger than all slots together.
CREATE TABLE jobhost_running (
    job INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    node INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    task TEXT NOT NULL,
    deliveries INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    crashes INTEGER NOT NULL
);

-- A cancel on its way to the worker that runs the job.
CREATE TABLE jobhost_cancellation (
    job INTEGER PRIMARY KEY,
    reason TEXT NOT NULL,
    requested_at INTEGER NOT NULL
);

-- The final state, together with the attempt that led to it (epoch, node, claimed_at,
-- duration_us and outcome are NULL for a job that ended without one). error: JSON.
CREATE TABLE jobhost_done (
    job INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('succeeded', 'dead', 'cancelled')),
    reason TEXT,
    outcome TEXT,
    ended_at INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    node INTEGER,
    claimed_at INTEGER,
    duration_us INTEGER,
    deliveries INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    result TEXT,
    error TEXT
);

-- Dead and cancelled jobs are few; listing them must not walk millions of successes.
CREATE INDEX jobhost_done_unsuccessful ON jobhost_done (state, job) WHERE state <> 'succeeded';

-- Ended attempts that were not a job's last.
CREATE TABLE jobhost_attempt (
    job INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    node INTEGER,
    claimed_at INTEGER,
    ended_at INTEGER NOT NULL,
    duration_us INTEGER,
    error TEXT,
    PRIMARY KEY (job, epoch)
) WITHOUT ROWID;

-- Workers, living and gone. id: random at each registration; tasks, queues: JSON lists.
-- lease_until is 0 once ended_at is set.
CREATE TABLE jobhost_node (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    slots INTEGER NOT NULL,
    queues TEXT NOT NULL,
    tasks TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT
);

CREATE INDEX jobhost_node_live ON jobhost_node (number) WHERE ended_at IS NULL;

-- Where this store was moved to. It has a row from the moment on at which all other writes are
-- refused, by triggers that are made with it. copied_at: right before the target's commit;
-- ended_at: after it.
CREATE TABLE jobhost_moved (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    from_url TEXT NOT NULL,
    to_url TEXT NOT NULL,
    frozen_at INTEGER NOT NULL,
    copied_at INTEGER,
    ended_at INTEGER
);

-- All ended attempts, the last ones included.
CREATE VIEW jobhost_attempts AS
SELECT job, epoch, outcome, node, claimed_at, ended_at, duration_us, error FROM jobhost_attempt
UNION ALL
SELECT job, epoch, outcome, node, claimed_at, ended_at, duration_us, error FROM jobhost_done
WHERE outcome IS NOT NULL;

-- A job as readers see it, from whichever table holds it.
CREATE VIEW jobhost_jobs AS
SELECT
    j.number,
    j.id,
    j.task,
    j.queue,
    j.priority,
    CASE
        WHEN d.job IS NOT NULL THEN d.state
        WHEN r.job IS NOT NULL THEN 'running'
        WHEN s.job IS NOT NULL THEN 'scheduled'
        WHEN b.job IS NOT NULL THEN 'blocked'
        ELSE 'ready'
    END AS state,
    coalesce(d.reason, b.reason) AS reason,
    j.created_at,
    s.due_at,
    coalesce(d.claimed_at, r.claimed_at) AS claimed_at,
    d.ended_at,
    coalesce(d.epoch, r.epoch, s.epoch, b.epoch, q.epoch, 0) AS epoch,
    coalesce(d.deliveries, r.deliveries, s.deliveries, b.deliveries, q.deliveries, 0) AS deliveries,
    coalesce(d.failures, r.failures, s.failures, b.failures, q.failures, 0) AS failures,
    coalesce(d.crashes, r.crashes, s.crashes, b.crashes, q.crashes, 0) AS crashes,
    n.host || ':' || n.pid AS worker,
    j.payload,
    j.envelope,
    j.parent,
    d.result,
    d.error,
    c.job IS NOT NULL AS cancel_requested
FROM jobhost_job j
LEFT JOIN jobhost_done d ON d.job = j.number
LEFT JOIN jobhost_running r ON r.job = j.number
LEFT JOIN jobhost_scheduled s ON s.job = j.number
LEFT JOIN jobhost_blocked b ON b.job = j.number
LEFT JOIN jobhost_ready q ON q.job = j.number AND q.epoch > 0
LEFT JOIN jobhost_cancellation c ON c.job = j.number
LEFT JOIN jobhost_node n ON n.number = coalesce(d.node, r.node);
