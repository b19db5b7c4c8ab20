-- Part of the removal of jobs that have ended; see `store.plans.retention`.
DELETE FROM jobhost_done WHERE job IN (SELECT value FROM json_each(:jobs))
