-- Records successes and claims what comes next, in one statement: one journey, one commit.
-- Each success is guarded by job, epoch, node and the live lease. A stretch with a lane begins at
-- a known seq, so that it never walks over what was claimed before; one without a lane covers the
-- priorities between two known ones; those of a queue that is paused, or closed by its hours, are
-- left out, which is told: both are found in one index, which is empty as a rule. Rows are found by
-- ctid through laterals: queue tables look empty to the planner, and it must not have a choice. So
-- is the FULL JOIN, with a condition that does not turn it into another: it is the one join that
-- never compares each row with each.
WITH lease AS MATERIALIZED (
    SELECT :now AS now FROM jobhost.node WHERE number = :node AND lease_until > :now
), attention AS (
    UPDATE jobhost.node SET wakeable = :wakeable WHERE number = :node AND wakeable <> :wakeable
), ended AS MATERIALIZED (
    SELECT * FROM unnest(:jobs::bigint[], :epochs::integer[], :durations::bigint[], :results::text[])
        AS e (job, epoch, duration_us, result)
), gone AS (
    DELETE FROM jobhost.running
    WHERE ctid = ANY (ARRAY(
        SELECT held.ctid FROM lease CROSS JOIN ended e CROSS JOIN LATERAL (
            SELECT r.ctid FROM jobhost.running r
            WHERE r.job = e.job AND r.epoch = e.epoch AND r.node = :node
            LIMIT 1
        ) held
    ))
    RETURNING job, epoch, claimed_at, deliveries, failures, crashes
), recorded AS (
    INSERT INTO jobhost.done
        (job, state, outcome, ended_at, epoch, node, claimed_at, duration_us, deliveries, failures,
         crashes, result)
    SELECT g.job, 'succeeded', 'succeeded', lease.now, g.epoch, :node, g.claimed_at, e.duration_us,
        g.deliveries, g.failures, g.crashes, e.result
    FROM gone g FULL JOIN ended e ON e.job = g.job AND e.epoch = g.epoch CROSS JOIN lease
    WHERE coalesce(g.job, 0) <> 0
    RETURNING job
), shut AS MATERIALIZED (
    SELECT ARRAY(
        SELECT q.name FROM jobhost.queue q
        WHERE (q.paused_at IS NOT NULL OR q.open_until IS NOT NULL)
            AND (q.paused_at IS NOT NULL OR q.open_from > (SELECT now FROM lease)
                OR q.open_until <= (SELECT now FROM lease))
    ) AS names
), stretches AS MATERIALIZED (
    SELECT * FROM unnest(
        :queues::text[], :lows::smallint[], :highs::smallint[], :lanes::smallint[], :seqs::bigint[]
    ) AS s (queue, low, high, lane, seq)
    WHERE s.queue <> ALL ((SELECT names FROM shut)::text[])
), picked AS MATERIALIZED (
    SELECT ARRAY(
        SELECT found.ctid FROM lease CROSS JOIN stretches s CROSS JOIN LATERAL (
            SELECT * FROM (
                SELECT r.ctid FROM jobhost.ready r
                WHERE s.lane IS NOT NULL AND r.queue = s.queue AND r.priority = s.low
                    AND r.lane = s.lane AND r.seq >= s.seq
                    AND r.task = ANY (ARRAY(SELECT json_array_elements_text(:tasks)))
                ORDER BY r.queue, r.priority DESC, r.lane, r.seq
                LIMIT :slots
                FOR UPDATE SKIP LOCKED
            ) known
            UNION ALL
            SELECT * FROM (
                SELECT r.ctid FROM jobhost.ready r
                WHERE s.lane IS NULL AND r.queue = s.queue AND r.priority > s.low
                    AND r.priority < s.high
                    AND r.task = ANY (ARRAY(SELECT json_array_elements_text(:tasks)))
                ORDER BY r.queue, r.priority DESC, r.lane, r.seq
                LIMIT :slots
                FOR UPDATE SKIP LOCKED
            ) between_known
        ) found
        LIMIT :slots
    ) AS ctids
), taken AS (
    DELETE FROM jobhost.ready WHERE ctid = ANY ((SELECT ctids FROM picked)::tid[])
    RETURNING queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes
), started AS (
    INSERT INTO jobhost.running
        (job, epoch, node, claimed_at, queue, priority, task, deliveries, failures, crashes)
    SELECT t.job, t.epoch + 1, :node, lease.now, t.queue, t.priority, t.task, t.deliveries + 1,
        t.failures, t.crashes
    FROM taken t CROSS JOIN lease
)
SELECT
    head.*,
    t.job, t.epoch + 1, t.deliveries + 1, t.failures, t.crashes, t.queue, t.priority,
    uuid_send(t.id), t.task, t.payload, t.envelope, uuid_send(t.parent), t.created_at, t.lane, t.seq
FROM (
    SELECT
        EXISTS (SELECT FROM lease),
        CASE WHEN (SELECT count(*) FROM recorded) = cardinality(:jobs::bigint[]) THEN NULL
            ELSE ARRAY(SELECT e.job FROM ended e EXCEPT SELECT job FROM recorded)
        END,
        (SELECT json_object_agg(c.job, c.reason) FROM jobhost.cancellation c CROSS JOIN LATERAL (
            SELECT FROM jobhost.running r WHERE r.job = c.job AND r.node = :node LIMIT 1
         ) held),
        (SELECT nullif(names, '{}') FROM shut),
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint
) head
LEFT JOIN (
    SELECT taken.*, job.id, job.payload, job.envelope, job.parent, job.created_at
    FROM taken CROSS JOIN LATERAL (
        SELECT j.id, j.payload, j.envelope, j.parent, j.created_at
        FROM jobhost.job j WHERE j.number = taken.job LIMIT 1
    ) job
) t ON true
ORDER BY array_position(:queues::text[], t.queue), t.priority DESC, t.lane, t.seq
