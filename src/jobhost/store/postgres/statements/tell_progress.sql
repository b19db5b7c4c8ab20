-- How far jobs have come; :told is a JSON list of objects. It counts only from the attempt that
-- runs under a live lease, or from the very one that the job ended with, whose last words may come
-- after it. Each is asked for by a value of its own, so that no table is read as a whole.
INSERT INTO jobhost.progress (job, epoch, done, total, message, items, told_at)
SELECT e.job, e.epoch, e.done, e.total, e.message, e.items, :now
FROM json_to_recordset(:told) AS e (
    job bigint, epoch integer, done double precision, total double precision, message text,
    items text
)
WHERE coalesce(
    (SELECT true FROM jobhost.running r WHERE r.job = e.job AND r.epoch = e.epoch AND coalesce(
        (SELECT n.lease_until > :now FROM jobhost.node n WHERE n.number = r.node), false
    )),
    (SELECT true FROM jobhost.done d WHERE d.job = e.job AND d.epoch = e.epoch),
    false
)
ORDER BY e.job
ON CONFLICT (job) DO UPDATE SET
    epoch = excluded.epoch, done = excluded.done, total = excluded.total,
    message = excluded.message, items = excluded.items, told_at = excluded.told_at
WHERE progress.epoch <= excluded.epoch
