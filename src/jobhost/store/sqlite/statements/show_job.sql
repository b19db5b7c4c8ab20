-- One job by its id.
SELECT * FROM jobhost_jobs WHERE id = :id
