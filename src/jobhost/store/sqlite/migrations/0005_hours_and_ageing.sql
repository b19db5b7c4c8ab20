-- Opening hours of queues. hours: as people wrote them, by the clocks of zone. A worker works out of
-- them when the queue is open next, or now: open_from, and until before open_until, in microseconds;
-- both are there where hours are, and what is in the past is a window that nobody has moved on yet.
ALTER TABLE jobhost_queue ADD COLUMN hours TEXT;
ALTER TABLE jobhost_queue ADD COLUMN zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE jobhost_queue ADD COLUMN open_from INTEGER;
ALTER TABLE jobhost_queue ADD COLUMN open_until INTEGER;

-- Each claim asks for the queues of which nothing starts, which are few or none.
DROP INDEX jobhost_queue_paused;
CREATE INDEX jobhost_queue_shut ON jobhost_queue (name)
WHERE paused_at IS NOT NULL OR open_until IS NOT NULL;

-- Ageing. raise_after_us: a job that has waited for so long is raised to the next higher priority.
-- raise_marks: JSON, at which number the one rising sequence stood at some instants, by which it is
-- known who has waited so long.
ALTER TABLE jobhost_queue ADD COLUMN raise_after_us INTEGER;
ALTER TABLE jobhost_queue ADD COLUMN raise_marks TEXT;
