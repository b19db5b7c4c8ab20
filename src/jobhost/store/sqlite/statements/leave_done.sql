-- The other half of a redrive.
DELETE FROM jobhost_done WHERE job = :job AND state <> 'succeeded'
