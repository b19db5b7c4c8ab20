-- How many dead jobs there are, up to a bound, and how many of these died lately: of the newest jobs.
SELECT count(*), count(*) FILTER (WHERE ended_at > :now - :within_us)
FROM (
    SELECT ended_at FROM jobhost.done
    WHERE state = 'dead' AND state <> 'succeeded' ORDER BY state DESC, job DESC LIMIT :looked_at
) newest
