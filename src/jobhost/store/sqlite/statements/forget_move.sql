-- Takes a freeze back. Not one that has come further than was looked at: since then the target
-- may hold the jobs.
DELETE FROM jobhost_moved WHERE id = :id AND ended_at IS NULL AND copied_at IS :copied_at
