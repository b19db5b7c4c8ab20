-- The other half of the claim: the same stretch of the key.
DELETE FROM jobhost_ready
WHERE queue = :queue AND priority = :priority AND lane = :lane
    AND seq BETWEEN :first_seq AND :last_seq
    AND task IN (SELECT value FROM json_each(:tasks))
