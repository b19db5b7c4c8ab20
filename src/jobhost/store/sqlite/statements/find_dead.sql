-- Oldest dead jobs first that a filter means, for moving them in the order in which they came.
SELECT d.job, j.id FROM jobhost_done d
CROSS JOIN jobhost_job j ON j.number = d.job
WHERE d.state = 'dead' AND d.state <> 'succeeded' AND d.job > :after
    AND (:task IS NULL OR j.task = :task) AND (:queue IS NULL OR j.queue = :queue)
    AND (:since IS NULL OR d.ended_at >= :since) AND (:until IS NULL OR d.ended_at < :until)
    AND (:reason IS NULL OR instr(d.reason, :reason) > 0)
    AND (
        :error IS NULL OR json_extract(d.error, '$.type') = :error
        OR substr(json_extract(d.error, '$.type'), -length(:error) - 1) = '.' || :error
    )
ORDER BY d.job
LIMIT :limit
