-- One statement, so that of two who change different settings at the same time neither is lost.
-- What `changes` does not name stays as it is. Other hours begin with a window that is over: it is
-- moved on in the same transaction.
INSERT INTO jobhost.queue AS q
    (name, capacity, when_full, wait_us, expires_us, dropped, objective_us, hours, zone, open_from,
     open_until, raise_after_us, changed_at)
VALUES (
    :queue,
    (:changes::jsonb ->> 'capacity')::bigint,
    coalesce((:changes::jsonb ->> 'when_full'), 'reject'),
    (:changes::jsonb ->> 'wait_us')::bigint,
    (:changes::jsonb ->> 'expires_us')::bigint,
    coalesce((:changes::jsonb ->> 'dropped')::boolean, false),
    (:changes::jsonb ->> 'objective_us')::bigint,
    :changes::jsonb ->> 'hours',
    coalesce(:changes::jsonb ->> 'zone', 'UTC'),
    CASE WHEN :changes::jsonb ->> 'hours' IS NOT NULL THEN 0 END,
    CASE WHEN :changes::jsonb ->> 'hours' IS NOT NULL THEN 0 END,
    (:changes::jsonb ->> 'raise_after_us')::bigint,
    :now
)
ON CONFLICT (name) DO UPDATE SET
    capacity = CASE WHEN jsonb_exists(:changes::jsonb, 'capacity') THEN excluded.capacity ELSE q.capacity END,
    when_full = CASE WHEN jsonb_exists(:changes::jsonb, 'when_full') THEN excluded.when_full ELSE q.when_full END,
    wait_us = CASE WHEN jsonb_exists(:changes::jsonb, 'wait_us') THEN excluded.wait_us ELSE q.wait_us END,
    expires_us = CASE WHEN jsonb_exists(:changes::jsonb, 'expires_us') THEN excluded.expires_us ELSE q.expires_us END,
    dropped = CASE WHEN jsonb_exists(:changes::jsonb, 'dropped') THEN excluded.dropped ELSE q.dropped END,
    objective_us = CASE WHEN jsonb_exists(:changes::jsonb, 'objective_us') THEN excluded.objective_us ELSE q.objective_us END,
    hours = CASE WHEN jsonb_exists(:changes::jsonb, 'hours') THEN excluded.hours ELSE q.hours END,
    zone = CASE WHEN jsonb_exists(:changes::jsonb, 'zone') THEN excluded.zone ELSE q.zone END,
    open_from = CASE
        WHEN jsonb_exists(:changes::jsonb, 'hours') THEN excluded.open_from
        WHEN jsonb_exists(:changes::jsonb, 'zone') AND q.hours IS NOT NULL THEN 0
        ELSE q.open_from
    END,
    open_until = CASE
        WHEN jsonb_exists(:changes::jsonb, 'hours') THEN excluded.open_until
        WHEN jsonb_exists(:changes::jsonb, 'zone') AND q.hours IS NOT NULL THEN 0
        ELSE q.open_until
    END,
    raise_after_us = CASE WHEN jsonb_exists(:changes::jsonb, 'raise_after_us') THEN excluded.raise_after_us ELSE q.raise_after_us END,
    changed_at = excluded.changed_at
