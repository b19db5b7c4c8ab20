-- Takes the next :count numbers; the row lock of the writing transaction makes them ours.
UPDATE jobhost_sequence SET value = value + :count RETURNING value, :now
