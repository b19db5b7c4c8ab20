-- How many dead jobs there are, up to a bound, and how many of these died lately: of the newest jobs.
SELECT count(*), coalesce(sum(ended_at > :now - :within_us), 0)
FROM (
    SELECT ended_at FROM jobhost_done
    WHERE state = 'dead' AND state <> 'succeeded' ORDER BY job DESC LIMIT :looked_at
)
