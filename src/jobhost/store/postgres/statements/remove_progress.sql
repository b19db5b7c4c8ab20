-- Part of the removal of jobs that have ended; see `store.plans.retention`.
DELETE FROM jobhost.progress
WHERE job = ANY (ARRAY(SELECT e.job::bigint FROM json_array_elements_text(:jobs) e (job)))
