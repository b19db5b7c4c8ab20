-- The oldest revisions of a job, up to a number.
DELETE FROM jobhost_revision WHERE job = :job AND number <= :number
