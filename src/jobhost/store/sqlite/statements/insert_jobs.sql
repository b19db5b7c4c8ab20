-- The rows of new jobs. An id that is already there is the repeat of an enqueue whose outcome
-- was unknown: it changes nothing.
INSERT INTO jobhost_job (number, id, task, queue, priority, payload, envelope, parent, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING
