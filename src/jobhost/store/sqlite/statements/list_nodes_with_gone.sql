-- As `list_nodes`, and behind them those that ended within :ended_us, the newest first.
SELECT n.number, n.kind, n.supervisor, n.host, n.pid, n.version, n.slots, n.queues, n.tasks,
    n.started_at, n.heartbeat_at, n.lease_until > :now, n.drain_requested_at, n.ended_at,
    n.end_reason, n.vitals, :now - n.heartbeat_at, coalesce(r.jobs, 0)
FROM jobhost_node n
LEFT JOIN (SELECT node, count(*) AS jobs FROM jobhost_running GROUP BY node) r
    ON r.node = n.number
WHERE n.ended_at IS NULL OR n.ended_at > :now - :ended_us
ORDER BY n.ended_at IS NOT NULL, n.number DESC
LIMIT :limit
