-- Until when the jobs inserted by this transaction may start. Heartbeats tell the workers of it in
-- time; of what comes sooner than the next one they are told with the commit.
WITH new AS (
    INSERT INTO jobhost.expiry (job, expires_at, dropped)
    SELECT j.number, least(:at::bigint, greatest(:now, :since::bigint) + :after_us::bigint), :dropped
    FROM unnest(:ids::uuid[]) AS n (id)
    CROSS JOIN LATERAL (SELECT number FROM jobhost.job WHERE id = n.id LIMIT 1) j
    ON CONFLICT DO NOTHING
)
SELECT pg_notify('jobhost:wake', 'due')
WHERE least(:at::bigint, greatest(:now, :since::bigint) + :after_us::bigint) < :now + 30000000
    AND EXISTS (SELECT FROM jobhost.node WHERE ended_at IS NULL)
