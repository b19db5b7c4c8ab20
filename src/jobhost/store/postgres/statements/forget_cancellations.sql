-- A cancel whose job has ended was obeyed or overtaken. One whose job waits again came while it
-- was just being moved, and is obeyed at the next claim.
DELETE FROM jobhost.cancellation c
WHERE EXISTS (SELECT FROM jobhost.done d WHERE d.job = c.job)
