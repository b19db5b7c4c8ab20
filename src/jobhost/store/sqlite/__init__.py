"""SQLite: one file, many processes of one machine.

WAL, `synchronous=FULL` unless the address asks for less, `BEGIN IMMEDIATE` for every
write. Needs SQLite 3.35, checked at open.

- `store.py`: the dialect's side of `seam.Store`; start here.
- `hot.py`: claims, which do not walk twice past jobs that they cannot take.
- `connection.py`: transactions, statements, the clock as `:now`.
- `turnstile.py`: fairness between writing processes, which SQLite itself lacks.
- `forks.py`: no connection is open during a fork, since a child would lose what it writes.
- `patience.py`: how long a connection waits for others, and who cuts that short.
- `presence.py`: proof of life by file locks, freed by the kernel at death.
- `bell.py`: wake-up by Unix datagram sockets.
- `schema.py` and `migrations/`: the tables, forward only.
- `statements/`: one `.sql` file a statement, named as in the plans.
- `faults.py`: driver errors in our words.
- `checkup.py`: what may be wrong with the file, its place and its jobs.

Beside the database `app.db` stands a folder `app.db-run` with the locks and sockets of
the processes that use it; it may be deleted when none is running.
"""
