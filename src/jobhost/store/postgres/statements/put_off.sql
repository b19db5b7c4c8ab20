-- A scheduled job becomes due later; it is never brought forward, of which workers would have to hear.
-- Found as in `leave_scheduled`.
UPDATE jobhost.scheduled SET due_at = :due_at
WHERE ctid = ANY (ARRAY(
    SELECT s.ctid FROM jobhost.scheduled s
    WHERE s.job BETWEEN :job AND :job AND s.due_at < :due_at
    ORDER BY s.job LIMIT 1
))
