-- Unique keys in the order of the jobs that took them last, behind this one, and whether each is
-- held: as `standings` and the end of its window say. To prune only, so a job that has started but
-- lives counts as a holder in any case.
SELECT u.job, u.task, u.key, u.taken_at,
    coalesce(u.held_until, 0) > :now OR (j.number IS NOT NULL AND d.job IS NULL)
FROM (
    SELECT * FROM jobhost.unique_key WHERE job > :after ORDER BY job LIMIT :limit
) u
LEFT JOIN LATERAL (SELECT number FROM jobhost.job WHERE number = u.job LIMIT 1) j ON true
LEFT JOIN LATERAL (SELECT job FROM jobhost.done WHERE job = u.job LIMIT 1) d ON true
