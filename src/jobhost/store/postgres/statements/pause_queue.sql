-- Paused again, the first time counts and the last reason.
INSERT INTO jobhost.queue AS q (name, paused_at, pause_reason, changed_at)
VALUES (:queue, :now, :reason, :now)
ON CONFLICT (name) DO UPDATE SET
    paused_at = coalesce(q.paused_at, excluded.paused_at),
    pause_reason = excluded.pause_reason,
    changed_at = excluded.changed_at
