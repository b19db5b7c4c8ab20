-- How far jobs have come; :told is a JSON list of objects. It counts only from the attempt that
-- runs under a live lease, or from the very one that the job ended with, whose last words may come
-- after it.
INSERT INTO jobhost_progress (job, epoch, done, total, message, items, told_at)
SELECT json_extract(e.value, '$.job'), json_extract(e.value, '$.epoch'),
    json_extract(e.value, '$.done'), json_extract(e.value, '$.total'),
    json_extract(e.value, '$.message'), json_extract(e.value, '$.items'), :now
FROM json_each(:told) e
WHERE EXISTS (
    SELECT 1 FROM jobhost_running r CROSS JOIN jobhost_node n ON n.number = r.node
    WHERE r.job = json_extract(e.value, '$.job') AND r.epoch = json_extract(e.value, '$.epoch')
        AND n.lease_until > :now
) OR EXISTS (
    SELECT 1 FROM jobhost_done d
    WHERE d.job = json_extract(e.value, '$.job') AND d.epoch = json_extract(e.value, '$.epoch')
)
ON CONFLICT (job) DO UPDATE SET
    epoch = excluded.epoch, done = excluded.done, total = excluded.total,
    message = excluded.message, items = excluded.items, told_at = excluded.told_at
WHERE jobhost_progress.epoch <= excluded.epoch
