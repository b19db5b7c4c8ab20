-- A job that waits gets another payload. From `ready` it leaves and enters again: a claim reads the
-- payload as it was when its look began, so a look that began before this commits must find nothing
-- to take. Its new place is in lane 0, since at the end of the queue a job that is replaced often
-- would never be its head. Its row was locked before; where it is: as in `park`. Whoever looks now
-- passes it over, so workers are woken.
WITH gone AS (
    DELETE FROM jobhost.ready
    WHERE ctid = ANY (ARRAY(
        SELECT place.ctid
        FROM (SELECT number, queue, priority FROM jobhost.job WHERE number = :job LIMIT 1) j
        CROSS JOIN LATERAL (
            SELECT ctid FROM jobhost.ready
            WHERE queue = j.queue AND priority = j.priority AND lane = 1 AND seq = j.number
                AND job = j.number
            UNION ALL
            SELECT ctid FROM jobhost.ready WHERE job = j.number AND seq <> job
            LIMIT 1
        ) place
    ))
    RETURNING queue, priority, job, task, epoch, deliveries, failures, crashes
), again AS (
    INSERT INTO jobhost.ready
        (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
    SELECT queue, priority, 0, nextval('jobhost.number'), job, task, epoch, deliveries, failures,
        crashes
    FROM gone
), changed AS (
    UPDATE jobhost.job SET payload = :payload WHERE number = :job
), woken AS (
    SELECT pg_notify('jobhost:wake', '')
    WHERE EXISTS (SELECT FROM gone) AND EXISTS (SELECT FROM jobhost.node WHERE ended_at IS NULL)
)
SELECT count(*) FROM woken
