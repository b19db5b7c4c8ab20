-- Lines of jobs; :lines is a JSON list of objects. They count as `tell_progress` does. One that is
-- there already came with an attempt to write whose answer was lost.
INSERT INTO jobhost.log (job, epoch, line, written_at, level, source, message)
SELECT e.job, e.epoch, e.line, e.written_at, e.level, e.source, e.message
FROM json_to_recordset(:lines) AS e (
    job bigint, epoch integer, line integer, written_at bigint, level text, source text,
    message text
)
WHERE coalesce(
    (SELECT true FROM jobhost.running r WHERE r.job = e.job AND r.epoch = e.epoch AND coalesce(
        (SELECT n.lease_until > :now FROM jobhost.node n WHERE n.number = r.node), false
    )),
    (SELECT true FROM jobhost.done d WHERE d.job = e.job AND d.epoch = e.epoch),
    false
)
ORDER BY e.job, e.line
ON CONFLICT (job, epoch, line) DO NOTHING
