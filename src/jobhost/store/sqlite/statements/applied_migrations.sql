-- What was applied so far.
SELECT number, name FROM jobhost_migration ORDER BY number
