-- The other half of staging and of a cancel.
DELETE FROM jobhost.scheduled
WHERE job IN (SELECT value::bigint FROM json_array_elements_text(:jobs))
