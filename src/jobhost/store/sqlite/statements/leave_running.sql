-- The other half of every move out of running: the row that just entered another table leaves
-- this one. The jobs were matched by their epoch in the same transaction.
DELETE FROM jobhost_running
WHERE job IN (SELECT value FROM json_each(:jobs)) AND node = :node
