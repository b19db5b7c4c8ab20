-- Drops what the attempts of a job before :epoch have logged: a job that comes back for ever must
-- not fill the store.
DELETE FROM jobhost.log WHERE job = :job AND epoch < :epoch
