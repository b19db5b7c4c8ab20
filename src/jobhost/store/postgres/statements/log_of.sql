-- What a job has logged, in order; all that comes after a line that the reader has.
SELECT l.epoch, l.line, l.written_at, l.level, l.source, l.message
FROM jobhost.log l
WHERE l.job = (SELECT number FROM jobhost.job WHERE id = encode(:id, 'hex')::uuid)
    AND (l.epoch, l.line) > (:epoch, :line)
ORDER BY l.epoch, l.line
