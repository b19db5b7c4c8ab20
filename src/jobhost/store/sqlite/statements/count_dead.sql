-- How many dead jobs a filter means, and how many were looked at: the newest ones only, so that it
-- ends soon among very many.
SELECT count(*) FILTER (WHERE means), count(*) FROM (
    SELECT (
        1 AND (:task IS NULL OR j.task = :task) AND (:queue IS NULL OR j.queue = :queue)
AND (:since IS NULL OR d.ended_at >= :since) AND (:until IS NULL OR d.ended_at < :until)
AND (:reason IS NULL OR instr(d.reason, :reason) > 0)
AND (
        :error IS NULL OR json_extract(d.error, '$.type') = :error
        OR substr(json_extract(d.error, '$.type'), -length(:error) - 1) = '.' || :error
    )
    ) AS means
    FROM jobhost_done d CROSS JOIN jobhost_job j ON j.number = d.job
    WHERE d.state = 'dead' AND d.state <> 'succeeded'
    ORDER BY d.job DESC
    LIMIT :looked_at
)
