-- Lines of jobs; :lines is a JSON list of objects. They count as `tell_progress` does. One that is
-- there already came with an attempt to write whose answer was lost.
INSERT INTO jobhost_log (job, epoch, line, written_at, level, source, message)
SELECT json_extract(e.value, '$.job'), json_extract(e.value, '$.epoch'),
    json_extract(e.value, '$.line'), json_extract(e.value, '$.written_at'),
    json_extract(e.value, '$.level'), json_extract(e.value, '$.source'),
    json_extract(e.value, '$.message')
FROM json_each(:lines) e
WHERE EXISTS (
    SELECT 1 FROM jobhost_running r CROSS JOIN jobhost_node n ON n.number = r.node
    WHERE r.job = json_extract(e.value, '$.job') AND r.epoch = json_extract(e.value, '$.epoch')
        AND n.lease_until > :now
) OR EXISTS (
    SELECT 1 FROM jobhost_done d
    WHERE d.job = json_extract(e.value, '$.job') AND d.epoch = json_extract(e.value, '$.epoch')
)
ON CONFLICT (job, epoch, line) DO NOTHING
