-- The place of a ready job among the first of its queue, from 1, in the order of claims; no row for
-- one further back.
SELECT line.place FROM (
    SELECT head.job, row_number() OVER (ORDER BY head.priority DESC, head.lane, head.seq) AS place
    FROM (
        SELECT job, priority, lane, seq FROM jobhost_ready
        WHERE queue = :queue ORDER BY priority DESC, lane, seq LIMIT :limit
    ) head
) line
WHERE line.job = (SELECT number FROM jobhost_job WHERE id = :id)
