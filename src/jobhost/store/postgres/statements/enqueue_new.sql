-- `enqueue_ready` for ids that nobody has sent yet. A row that might be there already is inserted in
-- two steps, with a record in the WAL for each: that is a quarter of the server's work for a batch.
WITH new AS (
    INSERT INTO jobhost.job (id, task, queue, priority, payload, envelope, parent, created_at)
    SELECT n.id, :task, :queue, :priority, n.payload, n.envelope, encode(:parent, 'hex')::uuid, :now
    FROM unnest(:ids::uuid[], :payloads::text[], :envelopes::text[])
        WITH ORDINALITY AS n (id, payload, envelope, place)
    WHERE pg_current_xact_id() IS NOT NULL
    ORDER BY n.place
    RETURNING number
), placed AS (
    INSERT INTO jobhost.ready
        (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
    SELECT :queue, :priority, 1, number, number, :task, 0, 0, 0, 0 FROM new
), woken AS (
    SELECT pg_notify('jobhost:wake', '')
    WHERE EXISTS (SELECT FROM jobhost.node WHERE ended_at IS NULL AND wakeable)
)
SELECT count(*), (SELECT count(*) FROM woken) FROM new
