-- How far these jobs have come, without the reports of their items, which may be long: by the key
-- of the table, one after the other.
SELECT p.job, p.epoch, p.done, p.total, p.message, NULL, p.told_at
FROM json_each(:jobs) e
CROSS JOIN jobhost_progress p ON p.job = e.value
