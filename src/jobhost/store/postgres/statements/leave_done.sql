-- The other half of a redrive.
DELETE FROM jobhost.done WHERE job = :job AND state IN ('dead', 'cancelled')
