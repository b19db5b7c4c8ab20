"""How fast jobhost is on this machine: `python -m bench`, or `make bench`.

Every figure is measured from outside: real `jobhost worker` processes run jobs that append one
record for each start, producers are processes of their own, and nothing is taken from
jobhost's own counts. Each run begins with an empty store in a temporary folder and ends with
that folder removed. A lost job, or one that ran twice without a reason, makes the exit code 1.

Where to start reading: `table.py`, the figures with their goals; then `drain.py`, the simplest
of them. `site.py` is the folder with its processes, `records.py` what ran, `producer.py` the
process that enqueues, `tasks.py` what it enqueues. `peer_jobhost.py` stands apart: it lets a
benchmark of several job queues measure jobhost beside the others.
"""
