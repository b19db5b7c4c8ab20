-- The other half of unparking and of a cancel.
DELETE FROM jobhost.blocked
WHERE job IN (SELECT value::bigint FROM json_array_elements_text(:jobs))
