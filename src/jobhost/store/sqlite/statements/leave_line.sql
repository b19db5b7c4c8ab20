-- The other half of `raise_ready`: the same places.
DELETE FROM jobhost_ready
WHERE queue = :queue AND priority = :priority AND lane = :lane
    AND seq IN (SELECT json_extract(value, '$[0]') FROM json_each(:places))
