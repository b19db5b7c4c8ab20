-- One statement, so that of two who change different settings at the same time neither is lost.
-- What `changes` does not name stays as it is.
INSERT INTO jobhost_queue
    (name, capacity, when_full, wait_us, expires_us, dropped, objective_us, changed_at)
VALUES (
    :queue,
    json_extract(:changes, '$.capacity'),
    coalesce(json_extract(:changes, '$.when_full'), 'reject'),
    json_extract(:changes, '$.wait_us'),
    json_extract(:changes, '$.expires_us'),
    coalesce(json_extract(:changes, '$.dropped'), 0),
    json_extract(:changes, '$.objective_us'),
    :now
)
ON CONFLICT (name) DO UPDATE SET
    capacity = CASE WHEN json_type(:changes, '$.capacity') IS NULL THEN capacity ELSE excluded.capacity END,
    when_full = CASE WHEN json_type(:changes, '$.when_full') IS NULL THEN when_full ELSE excluded.when_full END,
    wait_us = CASE WHEN json_type(:changes, '$.wait_us') IS NULL THEN wait_us ELSE excluded.wait_us END,
    expires_us = CASE WHEN json_type(:changes, '$.expires_us') IS NULL THEN expires_us ELSE excluded.expires_us END,
    dropped = CASE WHEN json_type(:changes, '$.dropped') IS NULL THEN dropped ELSE excluded.dropped END,
    objective_us = CASE WHEN json_type(:changes, '$.objective_us') IS NULL THEN objective_us ELSE excluded.objective_us END,
    changed_at = excluded.changed_at
