-- The other half of parking and of a cancel.
DELETE FROM jobhost.ready
WHERE ctid = ANY (ARRAY(
    SELECT jobhost.place_in_ready(value::bigint) FROM json_array_elements_text(:jobs)
))
