-- Ends a pause, if there is one.
UPDATE jobhost_queue SET paused_at = NULL, pause_reason = NULL, changed_at = :now
WHERE name = :queue AND paused_at IS NOT NULL
