-- How many dead jobs a filter means, and how many were looked at: the newest ones only, so that it
-- ends soon among very many.
SELECT count(*) FILTER (WHERE means), count(*) FROM (
    SELECT (
        true AND (:task::text IS NULL OR j.task = :task) AND (:queue::text IS NULL OR j.queue = :queue)
AND (:since::bigint IS NULL OR d.ended_at >= :since)
AND (:until::bigint IS NULL OR d.ended_at < :until)
AND (:reason::text IS NULL OR position(:reason::text IN d.reason) > 0)
AND (
        :error::text IS NULL OR d.error::json ->> 'type' = :error
        OR right(d.error::json ->> 'type', length(:error::text) + 1) = '.' || :error::text
    )
    ) AS means
    FROM jobhost.done d
    CROSS JOIN LATERAL (SELECT queue, task FROM jobhost.job WHERE number = d.job LIMIT 1) j
    WHERE d.state = 'dead' AND d.state <> 'succeeded'
    ORDER BY d.state DESC, d.job DESC
    LIMIT :looked_at
) newest
