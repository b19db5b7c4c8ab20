-- One job by its id. Its number is a value by itself, as in `attempts_of`.
SELECT number, uuid_send(id), task, queue, priority, state, reason, created_at, due_at, claimed_at,
    ended_at, epoch, deliveries, failures, crashes, worker, payload, envelope, uuid_send(parent),
    result, error, cancel_requested
FROM jobhost.jobs
WHERE number = (SELECT number FROM jobhost.job WHERE id = encode(:id, 'hex')::uuid)
