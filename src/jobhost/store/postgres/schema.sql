-- The schema as all migrations together make it, for reading; nothing loads this file.
-- Written by tools/postgres_schema.py; add a migration, then run `make docs`.

CREATE SCHEMA jobhost;

CREATE FUNCTION jobhost.clock() RETURNS bigint
    LANGUAGE sql PARALLEL SAFE
    RETURN ((EXTRACT(epoch FROM clock_timestamp()) * (1000000)::numeric))::bigint;

CREATE FUNCTION jobhost.enqueue(task text, args jsonb DEFAULT '{}'::jsonb, queue text DEFAULT 'default'::text, priority integer DEFAULT 0, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, id uuid DEFAULT NULL::uuid) RETURNS uuid
    LANGUAGE plpgsql
    AS $_$
DECLARE
    accepted bigint := "jobhost".clock();
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
    IF enqueue.run_at < '0001-01-01 00:00+00' OR enqueue.run_at >= '10000-01-01 00:00+00' THEN
        RAISE EXCEPTION 'run_at must be an instant of the years 1 to 9999 of UTC; got %', enqueue.run_at
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- The transaction has its id before it draws a number, as in enqueue_ready.sql.
    PERFORM pg_current_xact_id();
    INSERT INTO "jobhost".job AS j (id, task, queue, priority, payload, envelope, created_at)
    VALUES (job_id, enqueue.task, enqueue.queue, enqueue.priority, enqueue.args::text,
        '{"trigger": ["event", "sql"]}', accepted)
    ON CONFLICT ON CONSTRAINT job_id_key DO NOTHING
    RETURNING j.number INTO new_job;
    IF new_job IS NULL THEN
        RETURN job_id;
    END IF;
    IF enqueue.run_at IS NULL THEN
        INSERT INTO "jobhost".ready
            (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
        VALUES (enqueue.queue, enqueue.priority, 1, new_job, new_job, enqueue.task, 0, 0, 0, 0);
    ELSE
        INSERT INTO "jobhost".scheduled
            (job, due_at, queue, priority, task, epoch, deliveries, failures, crashes)
        VALUES (new_job, (extract(epoch FROM enqueue.run_at) * 1000000)::bigint, enqueue.queue,
            enqueue.priority, enqueue.task, 0, 0, 0, 0);
    END IF;
    -- The commit may come long after: it counts that a worker lives, not whether one sleeps now.
    PERFORM pg_notify('jobhost:wake', CASE WHEN enqueue.run_at IS NULL THEN '' ELSE 'due' END)
    WHERE EXISTS (SELECT FROM "jobhost".node n WHERE n.ended_at IS NULL);
    RETURN job_id;
END;
$_$;

CREATE TABLE jobhost.attempt (
    job bigint NOT NULL,
    epoch integer NOT NULL,
    outcome text NOT NULL,
    node bigint,
    claimed_at bigint,
    ended_at bigint NOT NULL,
    duration_us bigint,
    error text
);

CREATE TABLE jobhost.done (
    job bigint NOT NULL,
    state text NOT NULL,
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
    error text,
    CONSTRAINT done_state_check CHECK ((state = ANY (ARRAY['succeeded'::text, 'dead'::text, 'cancelled'::text])))
);

CREATE VIEW jobhost.attempts AS
 SELECT attempt.job,
    attempt.epoch,
    attempt.outcome,
    attempt.node,
    attempt.claimed_at,
    attempt.ended_at,
    attempt.duration_us,
    attempt.error
   FROM jobhost.attempt
UNION ALL
 SELECT done.job,
    done.epoch,
    done.outcome,
    done.node,
    done.claimed_at,
    done.ended_at,
    done.duration_us,
    done.error
   FROM jobhost.done
  WHERE (done.outcome IS NOT NULL);

CREATE TABLE jobhost.blocked (
    job bigint NOT NULL,
    reason text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    task text NOT NULL,
    epoch integer NOT NULL,
    deliveries integer NOT NULL,
    failures integer NOT NULL,
    crashes integer NOT NULL,
    suspect_of bigint,
    deferred_at bigint
);

CREATE TABLE jobhost.cancellation (
    job bigint NOT NULL,
    reason text NOT NULL,
    requested_at bigint NOT NULL
);

CREATE TABLE jobhost.checkpoint (
    job bigint NOT NULL,
    epoch integer NOT NULL,
    state text NOT NULL,
    saved_at bigint NOT NULL
);

CREATE TABLE jobhost.expiry (
    job bigint NOT NULL,
    expires_at bigint NOT NULL,
    dropped boolean NOT NULL
);

CREATE TABLE jobhost.idempotency (
    task text NOT NULL,
    key text NOT NULL,
    id uuid NOT NULL,
    digest text NOT NULL,
    until bigint NOT NULL
);

CREATE SEQUENCE jobhost.number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE jobhost.job (
    number bigint DEFAULT nextval('jobhost.number'::regclass) NOT NULL,
    id uuid NOT NULL,
    task text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    payload text NOT NULL,
    envelope text,
    parent uuid,
    created_at bigint NOT NULL
);

CREATE TABLE jobhost.node (
    number bigint NOT NULL,
    id text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    slots integer NOT NULL,
    queues json NOT NULL,
    tasks json NOT NULL,
    started_at bigint NOT NULL,
    heartbeat_at bigint NOT NULL,
    lease_until bigint NOT NULL,
    wakeable boolean DEFAULT true NOT NULL,
    ended_at bigint,
    end_reason text,
    kind text DEFAULT 'worker'::text NOT NULL,
    supervisor bigint,
    vitals text,
    drain_requested_at bigint
)
WITH (fillfactor='50');

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
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='50000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='1000000000');

CREATE TABLE jobhost.running (
    job bigint NOT NULL,
    epoch integer NOT NULL,
    node bigint NOT NULL,
    claimed_at bigint NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    task text NOT NULL,
    deliveries integer NOT NULL,
    failures integer NOT NULL,
    crashes integer NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='50000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='1000000000');

CREATE TABLE jobhost.scheduled (
    job bigint NOT NULL,
    due_at bigint NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    task text NOT NULL,
    epoch integer NOT NULL,
    deliveries integer NOT NULL,
    failures integer NOT NULL,
    crashes integer NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='50000', autovacuum_vacuum_cost_delay='0');

CREATE VIEW jobhost.jobs AS
 SELECT j.number,
    j.id,
    j.task,
    j.queue,
    j.priority,
        CASE
            WHEN (d.job IS NOT NULL) THEN d.state
            WHEN (r.job IS NOT NULL) THEN 'running'::text
            WHEN (s.job IS NOT NULL) THEN 'scheduled'::text
            WHEN (b.job IS NOT NULL) THEN 'blocked'::text
            ELSE 'ready'::text
        END AS state,
    COALESCE(d.reason, b.reason) AS reason,
    j.created_at,
    s.due_at,
    COALESCE(d.claimed_at, r.claimed_at) AS claimed_at,
    d.ended_at,
    COALESCE(d.epoch, r.epoch, s.epoch, b.epoch, q.epoch, 0) AS epoch,
    COALESCE(d.deliveries, r.deliveries, s.deliveries, b.deliveries, q.deliveries, 0) AS deliveries,
    COALESCE(d.failures, r.failures, s.failures, b.failures, q.failures, 0) AS failures,
    COALESCE(d.crashes, r.crashes, s.crashes, b.crashes, q.crashes, 0) AS crashes,
    ((n.host || ':'::text) || n.pid) AS worker,
    j.payload,
    j.envelope,
    j.parent,
    d.result,
    d.error,
    (c.job IS NOT NULL) AS cancel_requested
   FROM (((((((jobhost.job j
     LEFT JOIN jobhost.done d ON ((d.job = j.number)))
     LEFT JOIN jobhost.running r ON ((r.job = j.number)))
     LEFT JOIN jobhost.scheduled s ON ((s.job = j.number)))
     LEFT JOIN jobhost.blocked b ON ((b.job = j.number)))
     LEFT JOIN jobhost.ready q ON (((q.job = j.number) AND (q.seq <> q.job))))
     LEFT JOIN jobhost.cancellation c ON ((c.job = j.number)))
     LEFT JOIN jobhost.node n ON ((n.number = COALESCE(d.node, r.node))));

CREATE TABLE jobhost.log (
    job bigint NOT NULL,
    epoch integer NOT NULL,
    line integer NOT NULL,
    written_at bigint NOT NULL,
    level text NOT NULL,
    source text NOT NULL,
    message text NOT NULL
);

CREATE TABLE jobhost.migration (
    number integer NOT NULL,
    name text NOT NULL
);

CREATE TABLE jobhost.moved (
    id text NOT NULL,
    from_url text NOT NULL,
    to_url text NOT NULL,
    frozen_at bigint NOT NULL,
    copied_at bigint NOT NULL
);

CREATE TABLE jobhost.progress (
    job bigint NOT NULL,
    epoch integer NOT NULL,
    done double precision NOT NULL,
    total double precision,
    message text,
    items text,
    told_at bigint NOT NULL
);

CREATE TABLE jobhost.queue (
    name text NOT NULL,
    paused_at bigint,
    pause_reason text,
    capacity bigint,
    when_full text DEFAULT 'reject'::text NOT NULL,
    wait_us bigint,
    expires_us bigint,
    dropped boolean DEFAULT false NOT NULL,
    objective_us bigint,
    changed_at bigint NOT NULL,
    hours text,
    zone text DEFAULT 'UTC'::text NOT NULL,
    open_from bigint,
    open_until bigint,
    raise_after_us bigint,
    raise_marks text
);

CREATE TABLE jobhost.revision (
    job bigint NOT NULL,
    number integer NOT NULL,
    payload text NOT NULL,
    reason text NOT NULL,
    replaced_at bigint NOT NULL
);

CREATE TABLE jobhost.unique_key (
    task text NOT NULL,
    key text NOT NULL,
    job bigint NOT NULL,
    id uuid NOT NULL,
    epoch integer NOT NULL,
    until_start boolean NOT NULL,
    held_until bigint,
    taken_at bigint NOT NULL
);

ALTER TABLE ONLY jobhost.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (job, epoch);

ALTER TABLE ONLY jobhost.blocked
    ADD CONSTRAINT blocked_pkey PRIMARY KEY (job);

ALTER TABLE ONLY jobhost.cancellation
    ADD CONSTRAINT cancellation_pkey PRIMARY KEY (job);

ALTER TABLE ONLY jobhost.checkpoint
    ADD CONSTRAINT checkpoint_pkey PRIMARY KEY (job);

ALTER TABLE ONLY jobhost.done
    ADD CONSTRAINT done_pkey PRIMARY KEY (job);

ALTER TABLE ONLY jobhost.expiry
    ADD CONSTRAINT expiry_pkey PRIMARY KEY (job);

ALTER TABLE ONLY jobhost.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (task, key);

ALTER TABLE ONLY jobhost.job
    ADD CONSTRAINT job_id_key UNIQUE (id);

ALTER TABLE ONLY jobhost.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (number);

ALTER TABLE ONLY jobhost.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (job, epoch, line);

ALTER TABLE ONLY jobhost.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (number);

ALTER TABLE ONLY jobhost.moved
    ADD CONSTRAINT moved_pkey PRIMARY KEY (id);

ALTER TABLE ONLY jobhost.node
    ADD CONSTRAINT node_id_key UNIQUE (id);

ALTER TABLE ONLY jobhost.node
    ADD CONSTRAINT node_pkey PRIMARY KEY (number);

ALTER TABLE ONLY jobhost.progress
    ADD CONSTRAINT progress_pkey PRIMARY KEY (job);

ALTER TABLE ONLY jobhost.queue
    ADD CONSTRAINT queue_pkey PRIMARY KEY (name);

ALTER TABLE ONLY jobhost.revision
    ADD CONSTRAINT revision_pkey PRIMARY KEY (job, number);

ALTER TABLE ONLY jobhost.running
    ADD CONSTRAINT running_pkey PRIMARY KEY (job);

ALTER TABLE ONLY jobhost.scheduled
    ADD CONSTRAINT scheduled_pkey PRIMARY KEY (job);

ALTER TABLE ONLY jobhost.unique_key
    ADD CONSTRAINT unique_key_pkey PRIMARY KEY (task, key);

CREATE INDEX blocked_aside ON jobhost.blocked USING btree (task, job) WHERE (suspect_of IS NOT NULL);

CREATE INDEX blocked_queue ON jobhost.blocked USING btree (queue);

CREATE INDEX blocked_suspect ON jobhost.blocked USING btree (suspect_of, job DESC) WHERE (suspect_of IS NOT NULL);

CREATE INDEX blocked_task ON jobhost.blocked USING btree (task) WHERE ((suspect_of IS NULL) AND (deferred_at IS NULL));

CREATE INDEX done_unsuccessful ON jobhost.done USING btree (state, job) WHERE (state <> 'succeeded'::text);

CREATE INDEX expiry_due ON jobhost.expiry USING btree (expires_at, job);

CREATE INDEX idempotency_until ON jobhost.idempotency USING btree (until);

CREATE INDEX job_parent ON jobhost.job USING btree (parent) WHERE (parent IS NOT NULL);

CREATE INDEX node_live ON jobhost.node USING btree (number) WHERE (ended_at IS NULL);

CREATE INDEX queue_shut ON jobhost.queue USING btree (name) WHERE ((paused_at IS NOT NULL) OR (open_until IS NOT NULL));

CREATE INDEX ready_moved ON jobhost.ready USING btree (job) WHERE (seq <> job);

CREATE INDEX ready_order ON jobhost.ready USING btree (queue, priority DESC, lane, seq);

CREATE INDEX scheduled_due ON jobhost.scheduled USING btree (due_at, priority DESC, job);

CREATE INDEX unique_key_job ON jobhost.unique_key USING btree (job);
