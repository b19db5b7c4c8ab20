-- The first schema. The row of a job is written once and never changed; which of the
-- narrow tables ready, scheduled, blocked, running and done holds the job is its state.
-- Instants are microseconds since 1970 in UTC, as on SQLite, so that a store can move.
-- "jobhost." stands for the schema that the store was given.

-- The store's time. Not now(), which stands still within a transaction: a stalled one would
-- pass its own test of the lease with an old time.
CREATE FUNCTION jobhost.clock() RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- One rising number for everything: rows of jobs, places in a queue, nodes.
CREATE SEQUENCE jobhost.number AS bigint;

-- Written once at enqueue. id: made by the producer. envelope: JSON of what differs from the
-- defaults, or NULL.
CREATE TABLE jobhost.job (
    number bigint PRIMARY KEY DEFAULT nextval('jobhost.number'),
    id uuid NOT NULL UNIQUE,
    task text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    payload text NOT NULL,
    envelope text,
    parent uuid,
    created_at bigint NOT NULL
);

-- The children of a job, for the few jobs that have a parent.
CREATE INDEX job_parent ON jobhost.job (parent) WHERE parent IS NOT NULL;

-- Live work only, so statistics mean nothing here and dead rows are swept often.
CREATE TABLE jobhost.ready (
    queue text NOT NULL,
    priority smallint NOT NULL,
    lane smallint NOT NULL,
    seq bigint NOT NULL,
    job bigint NOT NULL,
    task text NOT NULL,
    epoch integer NOT NULL,
    deliveries integer NOT NULL,
    failures integer NOT NULL,
    crashes integer NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 50000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 1000000000
);

-- In the order in which jobs are claimed. lane 0: come back, before lane 1: fresh.
CREATE INDEX ready_order ON jobhost.ready (queue, priority DESC, lane, seq);

-- Finds a job that is not where its number alone would put it.
CREATE INDEX ready_moved ON jobhost.ready (job) WHERE seq <> job;

-- The row of one waiting job: in its first place, or wherever it came back to.
CREATE FUNCTION jobhost.place_in_ready(wanted bigint) RETURNS tid
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT r.ctid
    FROM jobhost.job j
    JOIN jobhost.ready r
        ON r.queue = j.queue AND r.priority = j.priority AND r.lane = 1 AND r.seq = j.number
        AND r.job = j.number
    WHERE j.number = wanted
    UNION ALL
    SELECT ctid FROM jobhost.ready WHERE job = wanted AND seq <> job
    LIMIT 1;
END;

CREATE TABLE jobhost.scheduled (
    job bigint PRIMARY KEY,
    due_at bigint NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    task text NOT NULL,
    epoch integer NOT NULL,
    deliveries integer NOT NULL,
    failures integer NOT NULL,
    crashes integer NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 50000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX scheduled_due ON jobhost.scheduled (due_at, priority DESC, job);

-- reason: what the job waits for, in words.
CREATE TABLE jobhost.blocked (
    job bigint PRIMARY KEY,
    reason text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    task text NOT NULL,
    epoch integer NOT NULL,
    deliveries integer NOT NULL,
    failures integer NOT NULL,
    crashes integer NOT NULL
);

CREATE INDEX blocked_task ON jobhost.blocked (task);

-- node: who holds it; the right to it ends with that node's lease. No second index: it would
-- be paid by every claim, and the table is never larger than all slots together.
CREATE TABLE jobhost.running (
    job bigint PRIMARY KEY,
    epoch integer NOT NULL,
    node bigint NOT NULL,
    claimed_at bigint NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    task text NOT NULL,
    deliveries integer NOT NULL,
    failures integer NOT NULL,
    crashes integer NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 50000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 1000000000
);

-- A cancel on its way to the worker that runs the job.
CREATE TABLE jobhost.cancellation (
    job bigint PRIMARY KEY,
    reason text NOT NULL,
    requested_at bigint NOT NULL
);

-- The final state, together with the attempt that led to it (epoch, node, claimed_at,
-- duration_us and outcome are NULL for a job that ended without one). error: JSON.
CREATE TABLE jobhost.done (
    job bigint PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('succeeded', 'dead', 'cancelled')),
    reason text,
    outcome text,
    ended_at bigint NOT NULL,
    epoch integer NOT NULL,
    node bigint,
    claimed_at bigint,
    duration_us bigint,
    deliveries integer NOT NULL,
    failures integer NOT NULL,
    crashes integer NOT NULL,
    result text,
    error text
);

-- Dead and cancelled jobs are few; listing them must not walk millions of successes.
CREATE INDEX done_unsuccessful ON jobhost.done (state, job) WHERE state <> 'succeeded';

-- Ended attempts that were not a job's last.
CREATE TABLE jobhost.attempt (
    job bigint NOT NULL,
    epoch integer NOT NULL,
    outcome text NOT NULL,
    node bigint,
    claimed_at bigint,
    ended_at bigint NOT NULL,
    duration_us bigint,
    error text,
    PRIMARY KEY (job, epoch)
);

-- Workers, living and gone. id: random at each registration; tasks, queues: JSON lists.
-- lease_until is 0 once ended_at is set. wakeable: producers notify only while one is.
CREATE TABLE jobhost.node (
    number bigint PRIMARY KEY,
    id text NOT NULL UNIQUE,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    slots integer NOT NULL,
    queues json NOT NULL,
    tasks json NOT NULL,
    started_at bigint NOT NULL,
    heartbeat_at bigint NOT NULL,
    lease_until bigint NOT NULL,
    wakeable boolean NOT NULL DEFAULT true,
    ended_at bigint,
    end_reason text
) WITH (fillfactor = 50);

CREATE INDEX node_live ON jobhost.node (number) WHERE ended_at IS NULL;

-- Stores that were moved to here, each entered in the transaction that copied it.
CREATE TABLE jobhost.moved (
    id text PRIMARY KEY,
    from_url text NOT NULL,
    to_url text NOT NULL,
    frozen_at bigint NOT NULL,
    copied_at bigint NOT NULL
);

-- All ended attempts, the last ones included.
CREATE VIEW jobhost.attempts AS
SELECT job, epoch, outcome, node, claimed_at, ended_at, duration_us, error FROM jobhost.attempt
UNION ALL
SELECT job, epoch, outcome, node, claimed_at, ended_at, duration_us, error FROM jobhost.done
WHERE outcome IS NOT NULL;

-- A job as readers see it, from whichever table holds it.
CREATE VIEW jobhost.jobs AS
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
FROM jobhost.job j
LEFT JOIN jobhost.done d ON d.job = j.number
LEFT JOIN jobhost.running r ON r.job = j.number
LEFT JOIN jobhost.scheduled s ON s.job = j.number
LEFT JOIN jobhost.blocked b ON b.job = j.number
LEFT JOIN jobhost.ready q ON q.job = j.number AND q.seq <> q.job
LEFT JOIN jobhost.cancellation c ON c.job = j.number
LEFT JOIN jobhost.node n ON n.number = coalesce(d.node, r.node);

-- Enqueues from SQL: a trigger, psql, another language. The job is part of the caller's transaction,
-- and the caller needs the rights of a producer. args: an object from parameter name to value,
-- which the worker checks against the task. An id that is already there changes nothing. The rules
-- are those of jobs/options.py. The id is a version 7 UUID, whose version is two bits above 4.
CREATE FUNCTION jobhost.enqueue(
    task text,
    args jsonb DEFAULT '{}',
    queue text DEFAULT 'default',
    priority integer DEFAULT 0,
    run_at timestamptz DEFAULT NULL,
    id uuid DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    accepted bigint := jobhost.clock();
    job_id uuid := coalesce(enqueue.id, encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid()) PLACING substring(int8send(accepted / 1000) FROM 3) FROM 1 FOR 6
    ), 52, 1), 53, 1), 'hex')::uuid);
    what text;
    name text;
    new_job bigint;
BEGIN
    FOREACH what IN ARRAY ARRAY['task', 'queue'] LOOP
        name := CASE what WHEN 'task' THEN enqueue.task ELSE enqueue.queue END;
        IF name IS NULL OR name !~ '^\S(.*\S)?$' OR name ~ '[[:cntrl:]]' OR length(name) > 200 THEN
            RAISE EXCEPTION '% must be printable text of 1 to 200 characters without outer blanks; got %',
                what, coalesce(quote_literal(left(name, 250)), 'NULL')
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END LOOP;
    IF jsonb_typeof(enqueue.args) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'args must be an object from parameter name to value, such as {"path": "a.txt"}; got %',
            coalesce(left(enqueue.args::text, 250), 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF octet_length(enqueue.args::text) > 1048576 THEN
        RAISE EXCEPTION 'args take % bytes as JSON, the limit is 1048576: store the data elsewhere and hand over where it is',
            octet_length(enqueue.args::text)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF enqueue.priority IS NULL OR enqueue.priority NOT BETWEEN -100 AND 100 THEN
        RAISE EXCEPTION 'priority must be a whole number from -100 to 100, higher first; got %',
            coalesce(enqueue.priority::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT isfinite(enqueue.run_at) THEN
        RAISE EXCEPTION 'run_at must be an instant; got %', enqueue.run_at
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- The transaction has its id before it draws a number, as in enqueue_ready.sql.
    PERFORM pg_current_xact_id();
    INSERT INTO jobhost.job AS j (id, task, queue, priority, payload, envelope, created_at)
    VALUES (job_id, enqueue.task, enqueue.queue, enqueue.priority, enqueue.args::text,
        '{"trigger": ["event", "sql"]}', accepted)
    ON CONFLICT ON CONSTRAINT job_id_key DO NOTHING
    RETURNING j.number INTO new_job;
    IF new_job IS NULL THEN
        RETURN job_id;
    END IF;
    IF enqueue.run_at IS NULL THEN
        INSERT INTO jobhost.ready
            (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
        VALUES (enqueue.queue, enqueue.priority, 1, new_job, new_job, enqueue.task, 0, 0, 0, 0);
    ELSE
        INSERT INTO jobhost.scheduled
            (job, due_at, queue, priority, task, epoch, deliveries, failures, crashes)
        VALUES (new_job, (extract(epoch FROM enqueue.run_at) * 1000000)::bigint, enqueue.queue,
            enqueue.priority, enqueue.task, 0, 0, 0, 0);
    END IF;
    -- The commit may come long after: it counts that a worker lives, not whether one sleeps now.
    PERFORM pg_notify('jobhost:wake', CASE WHEN enqueue.run_at IS NULL THEN '' ELSE 'due' END)
    WHERE EXISTS (SELECT FROM jobhost.node n WHERE n.ended_at IS NULL);
    RETURN job_id;
END;
$$;
