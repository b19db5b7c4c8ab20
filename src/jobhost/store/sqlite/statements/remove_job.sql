-- The last part of the removal of jobs that have ended; see `store.plans.retention`.
DELETE FROM jobhost_job WHERE number IN (SELECT value FROM json_each(:jobs))
