"""How fast jobhost is on this machine: `python -m bench`, or `make bench`.

Every figure is measured from outside: real `jobhost worker` processes run jobs that append one
record for each start, producers are processes of their own, and nothing is taken from
jobhost's own counts. Each run begins with an empty store, a file in a temporary folder or a
new database, and ends with that removed. Other job queues (`peers`) take the same jobs on the
same store in the same round. A lost job, or one that ran twice without a reason, makes the
exit code 1.

Where to start reading: `table.py`, the figures with their goals; then `drain.py`, the simplest
of them. `stand.py` says what a figure is given, `site.py` is an empty store with the processes
that use it, `records.py` what ran, `order.py` what to enqueue, `products.py` how jobhost is
driven. `peer_jobhost.py` stands apart: it lets a benchmark of several job queues measure
jobhost beside the others.
"""
