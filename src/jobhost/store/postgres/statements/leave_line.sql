-- The other half of `raise_ready`: the same places.
DELETE FROM jobhost.ready
WHERE ctid = ANY (ARRAY(
    SELECT r.ctid
    FROM json_array_elements(:places) e (at)
    CROSS JOIN LATERAL (
        SELECT ctid FROM jobhost.ready
        WHERE queue = :queue AND priority = :priority AND lane = :lane
            AND seq = (e.at ->> 0)::bigint AND job = (e.at ->> 1)::bigint
        ORDER BY queue, priority DESC, lane, seq
        LIMIT 1
    ) r
))
