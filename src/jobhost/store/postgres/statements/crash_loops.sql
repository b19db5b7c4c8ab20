-- Living nodes of which :deaths workers or more died within :within_us, most first, with what the
-- last of them died of. Lanes are there to die. It walks the nodes: for people.
SELECT n.host, n.pid, d.deaths, l.end_reason
FROM (
    SELECT supervisor, count(*) AS deaths, max(number) AS last_one FROM jobhost.node
    WHERE ended_at > :now - :within_us AND supervisor IS NOT NULL AND kind = 'worker'
        AND end_reason NOT IN ('stopped', 'lost its lease')
    GROUP BY supervisor
    HAVING count(*) >= :deaths
) d
JOIN jobhost.node n ON n.number = d.supervisor
JOIN jobhost.node l ON l.number = d.last_one
WHERE n.ended_at IS NULL AND n.lease_until > :now
ORDER BY d.deaths DESC, n.number
