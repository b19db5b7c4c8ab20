-- Those of these jobs that are still there and old, locked: none of them is redriven meanwhile. What
-- another has locked is left to it.
SELECT d.job FROM jobhost.done d
WHERE d.job = ANY (ARRAY(SELECT e.job::bigint FROM json_array_elements_text(:jobs) e (job)))
    AND d.state = :state AND d.ended_at <= :now - :keep_us
FOR UPDATE OF d SKIP LOCKED
