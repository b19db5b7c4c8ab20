-- The node of this number, or those that a process has entered as, the newest first: after a lost
-- lease it enters anew, and a process may run several workers.
SELECT n.number, n.kind, n.supervisor, n.host, n.pid, n.version, n.slots, n.queues, n.tasks,
    n.started_at, n.heartbeat_at, n.lease_until > :now, n.drain_requested_at, n.ended_at,
    n.end_reason, n.vitals, :now - n.heartbeat_at, coalesce(r.jobs, 0)
FROM jobhost_node n
LEFT JOIN (SELECT node, count(*) AS jobs FROM jobhost_running GROUP BY node) r
    ON r.node = n.number
WHERE n.number = :number OR (n.host = :host AND n.pid = :pid)
ORDER BY n.number DESC
LIMIT :limit
