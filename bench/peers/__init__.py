"""Other job queues on the same machine, store, jobs and rounds, each with the settings that its
documentation recommends for speed.

Each has two files: its `Product`, which belongs to the bench, and its program (`*_app.py`),
which runs in an environment of the peers' own (`install.py`) and may import nothing of the
bench but `order.py` and `records.py`.
"""
