-- Tasks that no worker knew, with the number of their jobs. It counts rows: for people.
SELECT task, count(*) FROM jobhost_blocked GROUP BY task ORDER BY count(*) DESC, task
