-- Release, rescue, and retry without a wait: ready again, in the order given. What was handed
-- back uncharged goes to lane 0, before the backlog. Guarded as `finish`.
INSERT INTO jobhost.ready
    (queue, priority, lane, seq, job, task, epoch, deliveries, failures, crashes)
SELECT r.queue, r.priority, (e.value ->> 'lane')::smallint, :first_seq + e.place - 1, r.job, r.task,
    r.epoch, r.deliveries, (e.value ->> 'failures')::integer, (e.value ->> 'crashes')::integer
FROM json_array_elements(:ended) WITH ORDINALITY AS e (value, place)
JOIN jobhost.running r
    ON r.job = (e.value ->> 'job')::bigint AND r.epoch = (e.value ->> 'epoch')::integer
WHERE r.node = :node
    AND EXISTS (SELECT FROM jobhost.node WHERE number = :writer AND ended_at IS NULL)
ORDER BY r.job
FOR UPDATE OF r
