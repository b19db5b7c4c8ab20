-- The other half of claiming one job.
DELETE FROM jobhost.ready
WHERE queue = :queue AND priority = :priority AND lane = :lane
    AND seq BETWEEN :first_seq AND :last_seq AND job = :job
