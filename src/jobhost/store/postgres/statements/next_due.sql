-- How long until the stager has something to do again, by the store's clock. Not min(): in a table
-- that seems empty it might be looked for by walking.
SELECT (SELECT due_at FROM jobhost.scheduled ORDER BY due_at LIMIT 1) - :now
