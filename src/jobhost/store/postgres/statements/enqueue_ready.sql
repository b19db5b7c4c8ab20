-- New jobs in their order, behind all that wait. An id that is already there is the repeat of an
-- enqueue whose outcome was unknown: it changes nothing. The transaction has its id before it draws
-- the first number: claims rely on it to know when nothing can come in below a seq (`hints.py`).
WITH new AS (
    INSERT INTO jobhost.job (id, task, queue, priority, payload, envelope, parent, created_at)
    SELECT n.id, :task, :queue, :priority, n.payload, n.envelope, encode(:parent, 'hex')::uuid, :now
    FROM unnest(:ids::uuid[], :payloads::text[], :envelopes::text[])
        WITH ORDINALITY AS n (id, payload, envelope, place)
    WHERE pg_current_xact_id() IS NOT NULL
    ORDER BY n.place
    ON CONFLICT (id) DO NOTHING
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
