-- `enqueue_scheduled` inside a caller's transaction; for the rest see `enqueue_ready_within`.
WITH place AS MATERIALIZED (
    SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint = :started
        AND current_database()::text = :database::text AS is_home
), new AS (
    INSERT INTO jobhost.job (id, task, queue, priority, payload, envelope, parent, created_at)
    SELECT n.id, :task, :queue, :priority, n.payload, n.envelope, encode(:parent, 'hex')::uuid, :now
    FROM unnest(:ids::uuid[], :payloads::text[], :envelopes::text[])
        WITH ORDINALITY AS n (id, payload, envelope, place)
    WHERE (SELECT is_home FROM place)
    ORDER BY n.place
    RETURNING number
), placed AS (
    INSERT INTO jobhost.scheduled
        (job, due_at, queue, priority, task, epoch, deliveries, failures, crashes)
    SELECT number, coalesce(:run_at, :now + :delay_us), :queue, :priority, :task, 0, 0, 0, 0
    FROM new
), woken AS (
    SELECT pg_notify('jobhost:wake', 'due')
    WHERE (SELECT is_home FROM place)
        AND EXISTS (SELECT FROM jobhost.node WHERE ended_at IS NULL)
)
SELECT is_home, (SELECT count(*) FROM woken) FROM place
