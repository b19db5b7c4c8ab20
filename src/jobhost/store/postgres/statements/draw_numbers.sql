-- Takes :count numbers, of which the last is told. Others may draw in between, so only one
-- alone is certain to be unique; of places in a queue it only matters that they rise.
SELECT max(drawn.number) FROM (
    SELECT nextval('jobhost.number') AS number FROM generate_series(1, :count)
) drawn
