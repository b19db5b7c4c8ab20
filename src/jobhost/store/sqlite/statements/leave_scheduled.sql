-- The other half of staging and of a cancel.
DELETE FROM jobhost_scheduled WHERE job IN (SELECT value FROM json_each(:jobs))
