-- What an earlier attempt has left for the next.
SELECT state FROM jobhost_checkpoint WHERE job = :job
