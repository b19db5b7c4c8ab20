-- One job by its id, with how far it has come. Its number is a value by itself, as in
-- `attempts_of`.
SELECT v.number, uuid_send(v.id), v.task, v.queue, v.priority, v.state, v.reason, v.created_at,
    v.due_at, v.claimed_at, v.ended_at, v.epoch, v.deliveries, v.failures, v.crashes, v.worker,
    v.payload, v.envelope, uuid_send(v.parent), v.result, v.error, v.cancel_requested,
    p.epoch, p.done, p.total, p.message, p.items, p.told_at
FROM jobhost.jobs v
LEFT JOIN jobhost.progress p ON p.job = v.number
WHERE v.number = (SELECT number FROM jobhost.job WHERE id = encode(:id, 'hex')::uuid)
