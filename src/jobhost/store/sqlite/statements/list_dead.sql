-- Newest dead jobs first that a filter means. The index of unsuccessful ones holds few; the filter
-- looks at each of them until the page is full.
SELECT v.* FROM (
    SELECT d.job FROM jobhost_done d
    CROSS JOIN jobhost_job j ON j.number = d.job
    WHERE d.state = 'dead' AND d.state <> 'succeeded' AND d.job < :before
    AND (:task IS NULL OR j.task = :task) AND (:queue IS NULL OR j.queue = :queue)
    AND (:since IS NULL OR d.ended_at >= :since) AND (:until IS NULL OR d.ended_at < :until)
    AND (:reason IS NULL OR instr(d.reason, :reason) > 0)
    AND (
        :error IS NULL OR json_extract(d.error, '$.type') = :error
        OR substr(json_extract(d.error, '$.type'), -length(:error) - 1) = '.' || :error
    )
    ORDER BY d.job DESC
    LIMIT :limit
) picked
CROSS JOIN jobhost_jobs v ON v.number = picked.job
ORDER BY v.number DESC
