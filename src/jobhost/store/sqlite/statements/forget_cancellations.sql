-- A cancel whose job has ended was obeyed or overtaken.
DELETE FROM jobhost_cancellation WHERE job IN (SELECT job FROM jobhost_done)
