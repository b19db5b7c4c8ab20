-- The oldest revisions of a job, up to a number.
DELETE FROM jobhost.revision WHERE job = :job AND number <= :number
