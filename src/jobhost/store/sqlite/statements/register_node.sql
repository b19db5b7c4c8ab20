-- A node enters under an id that is random at each registration, with its first lease.
INSERT INTO jobhost_node
    (number, id, kind, supervisor, host, pid, version, slots, queues, tasks, started_at,
     heartbeat_at, lease_until, vitals)
VALUES
    (:number, :id, :kind, :supervisor, :host, :pid, :version, :slots, :queues, :tasks, :now, :now,
     :now + :lease_us, :vitals)
