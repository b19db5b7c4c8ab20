-- The queues of which nothing starts now: paused, or closed by their hours. As a rule the index that
-- they are found in is empty.
SELECT name FROM jobhost_queue
WHERE (paused_at IS NOT NULL OR open_until IS NOT NULL)
    AND (paused_at IS NOT NULL OR open_from > :now OR open_until <= :now)
