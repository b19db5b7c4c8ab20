-- What a job may bring along beside its plain life: keys, an expiry, notes of its own; and what is
-- known of a queue. None of these tables is touched by a job that does not ask for it.

-- A repeat of this key within the window gives the first job. digest: of the task's payload.
CREATE TABLE jobhost_idempotency (
    task TEXT NOT NULL,
    key TEXT NOT NULL,
    id BLOB NOT NULL,
    digest TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (task, key)
) WITHOUT ROWID;

CREATE INDEX jobhost_idempotency_until ON jobhost_idempotency (until);

-- At most one live job has this key. Whether the holder still holds it is seen from where its row
-- is, so that the end of a job costs nothing here. until_start: it holds the key until it is claimed
-- with a higher epoch than this, and not until its end. held_until: or until this instant, whichever
-- is later; the id is there for a holder whose row has left by then.
CREATE TABLE jobhost_unique_key (
    task TEXT NOT NULL,
    key TEXT NOT NULL,
    job INTEGER NOT NULL,
    id BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    until_start INTEGER NOT NULL,
    held_until INTEGER,
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (task, key)
) WITHOUT ROWID;

CREATE INDEX jobhost_unique_key_job ON jobhost_unique_key (job);

-- A job that has not started by then is dead, or deleted if it is to be dropped.
CREATE TABLE jobhost_expiry (
    job INTEGER PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    dropped INTEGER NOT NULL
);

CREATE INDEX jobhost_expiry_due ON jobhost_expiry (expires_at, job);

-- What operators and programs have said of a queue; one without a row has no settings. Durations
-- in microseconds. when_full: 'reject', 'wait' or 'drop_oldest'.
CREATE TABLE jobhost_queue (
    name TEXT PRIMARY KEY,
    paused_at INTEGER,
    pause_reason TEXT,
    capacity INTEGER,
    when_full TEXT NOT NULL DEFAULT 'reject',
    wait_us INTEGER,
    expires_us INTEGER,
    dropped INTEGER NOT NULL DEFAULT 0,
    objective_us INTEGER,
    changed_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Each claim asks for the paused ones, which are few or none.
CREATE INDEX jobhost_queue_paused ON jobhost_queue (name) WHERE paused_at IS NOT NULL;

-- How far a running job has come, as it last told. total may be unknown. items: JSON, what became
-- of the items of a batch whose items fail apart.
CREATE TABLE jobhost_progress (
    job INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    done REAL NOT NULL,
    total REAL,
    message TEXT,
    items TEXT,
    told_at INTEGER NOT NULL
);

-- What the next attempt of a job gets from this one. state: JSON.
CREATE TABLE jobhost_checkpoint (
    job INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    state TEXT NOT NULL,
    saved_at INTEGER NOT NULL
);

-- Lines that a job has written, in order. Bounded for each job.
CREATE TABLE jobhost_log (
    job INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    line INTEGER NOT NULL,
    written_at INTEGER NOT NULL,
    level TEXT NOT NULL,
    source TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (job, epoch, line)
) WITHOUT ROWID;

-- What stood in a job's row before somebody replaced it.
CREATE TABLE jobhost_revision (
    job INTEGER NOT NULL,
    number INTEGER NOT NULL,
    payload TEXT NOT NULL,
    reason TEXT NOT NULL,
    replaced_at INTEGER NOT NULL,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;

-- deferred_at: the job's own task has set it aside until somebody fetches it.
ALTER TABLE jobhost_blocked ADD COLUMN deferred_at INTEGER;

DROP INDEX jobhost_blocked_task;
CREATE INDEX jobhost_blocked_task ON jobhost_blocked (task)
WHERE suspect_of IS NULL AND deferred_at IS NULL;

-- Finds a job that became ready late and has not been claimed yet: the place of all others is
-- their own number, or they are in `jobhost_ready_again`.
CREATE INDEX jobhost_ready_staged ON jobhost_ready (job) WHERE epoch = 0 AND seq <> job;

-- Counts what was set aside of a queue that has a bound.
CREATE INDEX jobhost_blocked_queue ON jobhost_blocked (queue);
