-- How many jobs run, by queue and priority: as many rows as there are slots in use.
SELECT queue, priority, count(*) FROM jobhost.running GROUP BY queue, priority
