-- One statement, so that of two who change different settings at the same time neither is lost.
-- What `changes` does not name stays as it is. Other hours begin with a window that is over: it is
-- moved on in the same transaction.
INSERT INTO jobhost_queue
    (name, capacity, when_full, wait_us, expires_us, dropped, objective_us, hours, zone, open_from,
     open_until, raise_after_us, changed_at)
VALUES (
    :queue,
    json_extract(:changes, '$.capacity'),
    coalesce(json_extract(:changes, '$.when_full'), 'reject'),
    json_extract(:changes, '$.wait_us'),
    json_extract(:changes, '$.expires_us'),
    coalesce(json_extract(:changes, '$.dropped'), 0),
    json_extract(:changes, '$.objective_us'),
    json_extract(:changes, '$.hours'),
    coalesce(json_extract(:changes, '$.zone'), 'UTC'),
    CASE WHEN json_extract(:changes, '$.hours') IS NOT NULL THEN 0 END,
    CASE WHEN json_extract(:changes, '$.hours') IS NOT NULL THEN 0 END,
    json_extract(:changes, '$.raise_after_us'),
    :now
)
ON CONFLICT (name) DO UPDATE SET
    capacity = CASE WHEN json_type(:changes, '$.capacity') IS NULL THEN capacity ELSE excluded.capacity END,
    when_full = CASE WHEN json_type(:changes, '$.when_full') IS NULL THEN when_full ELSE excluded.when_full END,
    wait_us = CASE WHEN json_type(:changes, '$.wait_us') IS NULL THEN wait_us ELSE excluded.wait_us END,
    expires_us = CASE WHEN json_type(:changes, '$.expires_us') IS NULL THEN expires_us ELSE excluded.expires_us END,
    dropped = CASE WHEN json_type(:changes, '$.dropped') IS NULL THEN dropped ELSE excluded.dropped END,
    objective_us = CASE WHEN json_type(:changes, '$.objective_us') IS NULL THEN objective_us ELSE excluded.objective_us END,
    hours = CASE WHEN json_type(:changes, '$.hours') IS NULL THEN hours ELSE excluded.hours END,
    zone = CASE WHEN json_type(:changes, '$.zone') IS NULL THEN zone ELSE excluded.zone END,
    open_from = CASE
        WHEN json_type(:changes, '$.hours') IS NOT NULL THEN excluded.open_from
        WHEN json_type(:changes, '$.zone') IS NOT NULL AND hours IS NOT NULL THEN 0
        ELSE open_from
    END,
    open_until = CASE
        WHEN json_type(:changes, '$.hours') IS NOT NULL THEN excluded.open_until
        WHEN json_type(:changes, '$.zone') IS NOT NULL AND hours IS NOT NULL THEN 0
        ELSE open_until
    END,
    raise_after_us = CASE WHEN json_type(:changes, '$.raise_after_us') IS NULL THEN raise_after_us ELSE excluded.raise_after_us END,
    changed_at = excluded.changed_at
