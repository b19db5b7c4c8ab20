-- `enqueue_ready` inside a caller's transaction, on its connection. Nothing happens elsewhere than in
-- the store's own database. The notice leaves with the commit, which may come long after: it counts
-- that a worker lives, and not whether one wants to be woken now. The ids are made for this call, so
-- that none is there already.
WITH place AS MATERIALIZED (
    SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint = :started
        AND current_database()::text = :database::text AS is_home
), new AS (
    INSERT INTO jobhost.job (id, task, queue, priority, payload, envelope, parent, created_at)
    SELECT n.id, :task, :queue, :priority, n.payload, n.envelope, encode(:parent, 'hex')::uuid, :now
    FROM unnest(:ids::uuid[], :payloads::text[], :envelopes::text[])
        WITH ORDINALITY AS n (id, payload, envelope, place)
    WHERE (SELECT is_home FROM place) AND pg_current_xact_id() IS NOT NULL
    ORDER BY n.place
    RETURNING number
), placed AS (
    INSERT INTO jobhost.ready
        (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
    SELECT :queue, :priority, 1, number, number, :task, 0, 0, 0, 0 FROM new
), woken AS (
    SELECT pg_notify('jobhost:wake', '')
    WHERE (SELECT is_home FROM place)
        AND EXISTS (SELECT FROM jobhost.node WHERE ended_at IS NULL)
)
SELECT is_home, (SELECT count(*) FROM woken) FROM place
