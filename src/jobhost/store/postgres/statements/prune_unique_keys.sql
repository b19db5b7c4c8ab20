-- Unique keys that nobody held a moment ago, unless somebody has taken them since.
DELETE FROM jobhost.unique_key
WHERE ctid = ANY (ARRAY(
    SELECT found.ctid
    FROM json_array_elements(:free) AS e (value)
    CROSS JOIN LATERAL (
        SELECT u.ctid FROM jobhost.unique_key u
        WHERE u.task = e.value ->> 'task' AND u.key = e.value ->> 'key'
            AND u.job = (e.value ->> 'job')::bigint
            AND u.taken_at = (e.value ->> 'taken_at')::bigint
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) found
))
