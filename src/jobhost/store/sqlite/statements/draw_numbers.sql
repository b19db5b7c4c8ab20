-- Takes the next :count numbers; the row lock of the writing transaction makes them ours.
UPDATE jobhost_sequence
SET value = max(value, coalesce((SELECT max(number) FROM jobhost_job), 0)) + :count
RETURNING value
