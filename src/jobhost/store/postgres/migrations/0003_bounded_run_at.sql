-- enqueue() takes no run_at that Python cannot name: one after the year 9999, which PostgreSQL can,
-- could be listed and shown by nobody. All else of it is as before.
CREATE OR REPLACE FUNCTION jobhost.enqueue(
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
    IF enqueue.run_at < '0001-01-01 00:00+00' OR enqueue.run_at >= '10000-01-01 00:00+00' THEN
        RAISE EXCEPTION 'run_at must be an instant of the years 1 to 9999 of UTC; got %', enqueue.run_at
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
