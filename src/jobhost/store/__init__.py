"""Where jobs live.

An operation on the store is a *plan* (`plan.py`): a generator that yields named
statements and receives their rows. A plan does no I/O, reads no clock and holds no
SQL; a connection looks each name up in its dialect's folder of `.sql` files and
binds the store's present time as `:now`. Two runners, `run` and `run_async`, own
begin, commit and rollback, so sync and async callers share every line.

Invariants:

- Every accepted job stands in exactly one of the tables ready, scheduled, blocked,
  running and done; a move takes a row out of one table and puts it into another in
  one transaction. So a reader need not look into ready: what is in no other is there.
- Every write that follows a claim is guarded by job, epoch, node and a live lease.
  A guard that matches nothing means that the job was lost: nothing is written.
- Times are the store's.

Start with `plans/enqueue.py`, `plans/cycle.py` and `plans/nodes.py`; then the dialects:
`sqlite/` with its turnstile between processes and its liveness locks, `postgres/` with its
row locks, its one-statement cycle and its hints. What a dialect must offer is in `seam.py`.
`move/` takes a store from the one to the other.
"""
