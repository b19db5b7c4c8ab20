-- They wait outside the queue. Their rows were locked when they were found.
INSERT INTO jobhost.blocked
    (job, reason, queue, priority, task, epoch, deliveries, failures, crashes)
SELECT job, :reason, queue, priority, task, epoch, deliveries, failures, crashes
FROM jobhost.ready
WHERE queue = :queue AND ctid = ANY (ARRAY(
    SELECT jobhost.place_in_ready(value::bigint) FROM json_array_elements_text(:jobs)
))
