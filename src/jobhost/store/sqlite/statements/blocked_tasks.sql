-- Tasks that no worker knew, with the number of their jobs. It counts rows: for people.
SELECT task, count(*) FROM jobhost_blocked WHERE suspect_of IS NULL AND deferred_at IS NULL GROUP BY task ORDER BY count(*) DESC, task
