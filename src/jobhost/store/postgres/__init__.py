"""The PostgreSQL dialect: the same tables in a schema, many machines, psycopg 3.

READ COMMITTED and guarded statements; nothing leans on SERIALIZABLE, on advisory locks (but
for migrations) or on replicas. What the SQLite dialect gets from having one writer at a time,
this one gets from row locks: whoever looks a row up in order to move it locks it first.

The hot path is one statement a cycle and one a batch of new jobs (`hot.py`), each a
transaction by itself; `hints.py` keeps claims from walking over the dead rows of earlier
ones. NOTIFY is a hint: polling alone suffices.

`callers.py` enqueues inside a transaction of the caller's, `completion.py` completes a job inside
its task's own. `roles.py` says who may do what, `checkup.py` what may be wrong.
"""
