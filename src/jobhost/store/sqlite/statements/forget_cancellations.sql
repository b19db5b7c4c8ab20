-- A cancel whose job no longer runs has been obeyed or overtaken.
DELETE FROM jobhost_cancellation WHERE job NOT IN (SELECT job FROM jobhost_running)
