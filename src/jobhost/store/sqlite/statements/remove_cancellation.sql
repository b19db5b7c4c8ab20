-- Part of the removal of jobs that have ended; see `store.plans.retention`.
DELETE FROM jobhost_cancellation WHERE job IN (SELECT value FROM json_each(:jobs))
