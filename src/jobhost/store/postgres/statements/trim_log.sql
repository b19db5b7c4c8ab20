-- Drops the middle of an attempt's log, line :first up to but not :beyond: its beginning and its
-- end stay.
DELETE FROM jobhost.log
WHERE job = :job AND epoch = :epoch AND line >= :first AND line < :beyond
