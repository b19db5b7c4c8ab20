-- Forgets nodes that ended long ago, or with :kept_max others of later number, and that nobody
-- names any more but ended attempts. The rows are walked by number, oldest first: this statement
-- keeps them few.
DELETE FROM jobhost_node
WHERE number IN (
    SELECT n.number FROM jobhost_node n
    WHERE n.ended_at IS NOT NULL
        AND (n.ended_at <= :now - :kept_us OR n.number < (
            SELECT number FROM jobhost_node WHERE ended_at IS NOT NULL
            ORDER BY number DESC LIMIT 1 OFFSET :kept_max - 1
        ))
        AND NOT EXISTS (SELECT 1 FROM jobhost_blocked b WHERE b.suspect_of = n.number)
        AND n.number NOT IN (SELECT r.node FROM jobhost_running r)
        AND n.number NOT IN (
            SELECT o.supervisor FROM jobhost_node o
            WHERE o.ended_at IS NULL AND o.supervisor IS NOT NULL
        )
    ORDER BY n.number
    LIMIT :limit
)
