-- The other half of staging and of a cancel. A table that was swept while it was empty costs nothing
-- in the planner's eyes, by whichever index: so rows are found by ctid through laterals, and only
-- the primary key has the order.
DELETE FROM jobhost.scheduled
WHERE ctid = ANY (ARRAY(
    SELECT s.ctid
    FROM json_array_elements_text(:jobs) e (job)
    CROSS JOIN LATERAL (
        SELECT ctid FROM jobhost.scheduled
        WHERE job BETWEEN e.job::bigint AND e.job::bigint ORDER BY job LIMIT 1
    ) s
))
