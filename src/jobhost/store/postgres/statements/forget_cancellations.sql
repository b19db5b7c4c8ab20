-- A cancel whose job no longer runs has been obeyed or overtaken.
DELETE FROM jobhost.cancellation c
WHERE NOT EXISTS (SELECT FROM jobhost.running r WHERE r.job = c.job)
