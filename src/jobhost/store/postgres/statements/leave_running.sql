-- The other half of every move out of running: the row that just entered another table, and has
-- been locked since, leaves this one.
DELETE FROM jobhost.running
WHERE job IN (SELECT value::bigint FROM json_array_elements_text(:jobs)) AND node = :node
