-- Forgets nodes that ended long ago, or with :kept_max others of later number, and that nobody
-- names any more but ended attempts. The rows are walked by number, oldest first: this statement
-- keeps them few. Those that somebody else is just forgetting are left to them.
DELETE FROM jobhost.node
WHERE number = ANY (ARRAY(
    SELECT n.number FROM jobhost.node n
    WHERE n.ended_at IS NOT NULL
        AND (n.ended_at <= :now - :kept_us::bigint OR n.number < (
            SELECT number FROM jobhost.node WHERE ended_at IS NOT NULL
            ORDER BY number DESC LIMIT 1 OFFSET :kept_max::bigint - 1
        ))
        AND (SELECT true FROM jobhost.blocked b WHERE b.suspect_of = n.number LIMIT 1) IS NULL
        AND n.number <> ALL (ARRAY(SELECT r.node FROM jobhost.running r))
        AND n.number <> ALL (ARRAY(
            SELECT o.supervisor FROM jobhost.node o
            WHERE o.ended_at IS NULL AND o.supervisor IS NOT NULL
        ))
    ORDER BY n.number
    LIMIT :limit
    FOR UPDATE OF n SKIP LOCKED
))
