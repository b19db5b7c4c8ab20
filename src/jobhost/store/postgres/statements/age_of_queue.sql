-- After which age jobs of a queue are raised, what is known of how long they wait, and whether nothing
-- of it starts now.
SELECT raise_after_us, raise_marks,
    paused_at IS NOT NULL OR coalesce(open_from > :now OR open_until <= :now, false),
    :now
FROM jobhost.queue
WHERE name = :queue AND raise_after_us IS NOT NULL
