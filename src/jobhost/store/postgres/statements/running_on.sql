-- Jobs that run on these nodes, the longest first, for people.
SELECT uuid_send(j.id), r.task, r.claimed_at, r.node
FROM jobhost.running r
CROSS JOIN LATERAL (SELECT id FROM jobhost.job WHERE number = r.job LIMIT 1) j
WHERE r.node = ANY (ARRAY(SELECT json_array_elements_text(:nodes)::bigint))
ORDER BY r.claimed_at, r.job
LIMIT :limit
