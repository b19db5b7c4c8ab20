-- What was applied so far.
SELECT number, name FROM jobhost.migration ORDER BY number
