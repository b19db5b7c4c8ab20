-- The last part of the removal of jobs that have ended; see `store.plans.retention`.
DELETE FROM jobhost.job
WHERE number = ANY (ARRAY(SELECT e.job::bigint FROM json_array_elements_text(:jobs) e (job)))
