-- A cancel whose job has ended was obeyed or overtaken. One whose job waits again came while it
-- was just being moved, and is obeyed at the next claim. A value, not EXISTS, which may become a
-- join that begins with all jobs that are done.
DELETE FROM jobhost.cancellation c
WHERE (SELECT true FROM jobhost.done d WHERE d.job = c.job)
