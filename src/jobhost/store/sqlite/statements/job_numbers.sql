-- The last of the next :count numbers, for jobs: their rows are what takes them.
SELECT max(value, coalesce((SELECT max(number) FROM jobhost_job), 0)) + :count, :now
FROM jobhost_sequence
