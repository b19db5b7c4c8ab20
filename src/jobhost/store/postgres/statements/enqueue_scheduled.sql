-- New jobs, due later. A due time already past is found due at once by the next pass of the
-- stager. Repeats as in `enqueue_ready`.
WITH new AS (
    INSERT INTO jobhost.job (id, task, queue, priority, payload, envelope, parent, created_at)
    SELECT n.id, :task, :queue, :priority, n.payload, n.envelope, encode(:parent, 'hex')::uuid, :now
    FROM unnest(:ids::uuid[], :payloads::text[], :envelopes::text[])
        WITH ORDINALITY AS n (id, payload, envelope, place)
    ORDER BY n.place
    ON CONFLICT (id) DO NOTHING
    RETURNING number
), placed AS (
    INSERT INTO jobhost.scheduled
        (job, due_at, queue, priority, task, epoch, deliveries, failures, crashes)
    SELECT number, coalesce(:run_at, :now + :delay_us), :queue, :priority, :task, 0, 0, 0, 0
    FROM new
), woken AS (
    SELECT pg_notify('jobhost:wake', 'due')
    WHERE EXISTS (SELECT FROM jobhost.node WHERE ended_at IS NULL AND wakeable)
)
SELECT count(*), (SELECT count(*) FROM woken) FROM new
