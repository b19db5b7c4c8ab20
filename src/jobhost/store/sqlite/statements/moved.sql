-- Where the store was moved to, if it was, and how far that has come.
SELECT id, from_url, to_url, frozen_at, copied_at, ended_at FROM jobhost_moved
