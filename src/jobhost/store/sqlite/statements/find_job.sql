-- Number, queue and state of a job by its id.
SELECT number, queue, state, reason FROM jobhost_jobs WHERE id = :id
