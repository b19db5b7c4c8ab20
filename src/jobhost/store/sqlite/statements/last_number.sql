-- The last number drawn; see jobhost_sequence.
SELECT max(value, coalesce((SELECT max(number) FROM jobhost_job), 0)) FROM jobhost_sequence
