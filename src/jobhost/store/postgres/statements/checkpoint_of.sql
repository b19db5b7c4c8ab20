-- What an earlier attempt has left for the next.
SELECT state FROM jobhost.checkpoint WHERE job = :job
