-- What a job may bring along beside its plain life: keys, an expiry, notes of its own; and what is
-- known of a queue. None of these tables is touched by a job that does not ask for it.

-- A repeat of this key within the window gives the first job. digest: of the task's payload.
CREATE TABLE jobhost.idempotency (
    task text NOT NULL,
    key text NOT NULL,
    id uuid NOT NULL,
    digest text NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (task, key)
);

CREATE INDEX idempotency_until ON jobhost.idempotency (until);

-- At most one live job has this key. Whether the holder still holds it is seen from where its row
-- is, so that the end of a job costs nothing here. until_start: it holds the key until it is claimed
-- with a higher epoch than this, and not until its end. held_until: or until this instant, whichever
-- is later; the id is there for a holder whose row has left by then.
CREATE TABLE jobhost.unique_key (
    task text NOT NULL,
    key text NOT NULL,
    job bigint NOT NULL,
    id uuid NOT NULL,
    epoch integer NOT NULL,
    until_start boolean NOT NULL,
    held_until bigint,
    taken_at bigint NOT NULL,
    PRIMARY KEY (task, key)
);

CREATE INDEX unique_key_job ON jobhost.unique_key (job);

-- A job that has not started by then is dead, or deleted if it is to be dropped.
CREATE TABLE jobhost.expiry (
    job bigint PRIMARY KEY,
    expires_at bigint NOT NULL,
    dropped boolean NOT NULL
);

CREATE INDEX expiry_due ON jobhost.expiry (expires_at, job);

-- What operators and programs have said of a queue; one without a row has no settings. Durations
-- in microseconds. when_full: 'reject', 'wait' or 'drop_oldest'.
CREATE TABLE jobhost.queue (
    name text PRIMARY KEY,
    paused_at bigint,
    pause_reason text,
    capacity bigint,
    when_full text NOT NULL DEFAULT 'reject',
    wait_us bigint,
    expires_us bigint,
    dropped boolean NOT NULL DEFAULT false,
    objective_us bigint,
    changed_at bigint NOT NULL
);

-- Each claim asks for the paused ones, which are few or none.
CREATE INDEX queue_paused ON jobhost.queue (name) WHERE paused_at IS NOT NULL;

-- How far a running job has come, as it last told. total may be unknown. items: JSON, what became
-- of the items of a batch whose items fail apart.
CREATE TABLE jobhost.progress (
    job bigint PRIMARY KEY,
    epoch integer NOT NULL,
    done double precision NOT NULL,
    total double precision,
    message text,
    items text,
    told_at bigint NOT NULL
);

-- What the next attempt of a job gets from this one. state: JSON.
CREATE TABLE jobhost.checkpoint (
    job bigint PRIMARY KEY,
    epoch integer NOT NULL,
    state text NOT NULL,
    saved_at bigint NOT NULL
);

-- Lines that a job has written, in order. Bounded for each job.
CREATE TABLE jobhost.log (
    job bigint NOT NULL,
    epoch integer NOT NULL,
    line integer NOT NULL,
    written_at bigint NOT NULL,
    level text NOT NULL,
    source text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (job, epoch, line)
);

-- What stood in a job's row before somebody replaced it.
CREATE TABLE jobhost.revision (
    job bigint NOT NULL,
    number integer NOT NULL,
    payload text NOT NULL,
    reason text NOT NULL,
    replaced_at bigint NOT NULL,
    PRIMARY KEY (job, number)
);

-- deferred_at: the job's own task has set it aside until somebody fetches it.
ALTER TABLE jobhost.blocked ADD COLUMN deferred_at bigint;

DROP INDEX jobhost.blocked_task;
CREATE INDEX blocked_task ON jobhost.blocked (task)
WHERE suspect_of IS NULL AND deferred_at IS NULL;

-- Counts what was set aside of a queue that has a bound.
CREATE INDEX blocked_queue ON jobhost.blocked (queue);
