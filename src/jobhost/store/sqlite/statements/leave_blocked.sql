-- The other half of unparking and of a cancel.
DELETE FROM jobhost_blocked WHERE job IN (SELECT value FROM json_each(:jobs))
