-- A node enters under an id that is random at each registration, with its first lease. Only for
-- workers of ready jobs do producers ring.
INSERT INTO jobhost.node
    (number, id, kind, supervisor, host, pid, version, slots, queues, tasks, started_at,
     heartbeat_at, lease_until, vitals, wakeable)
VALUES
    (:number, :id, :kind, :supervisor, :host, :pid, :version, :slots, :queues, :tasks, :now, :now,
     :now + :lease_us, :vitals, :kind = 'worker')
