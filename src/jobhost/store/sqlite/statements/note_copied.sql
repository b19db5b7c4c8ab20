-- Comes right before the commit of the target, and keeps it from happening once the freeze was
-- taken back: then no row is changed.
UPDATE jobhost_moved SET copied_at = :now WHERE id = :id AND ended_at IS NULL
