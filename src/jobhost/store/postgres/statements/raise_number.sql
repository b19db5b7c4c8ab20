-- Above all numbers that the source has drawn. It holds at once and outlives a rollback, which
-- does no harm: numbers may have gaps.
SELECT setval('jobhost.number', greatest(:last, last_value)) FROM jobhost.number
