"""The producer's side: tasks, their registry, enqueue, handles of jobs, and what a running
task can ask about itself.

It must not start threads or loops that work on jobs; that is `worker/`.

- `task.py`: a declared task, and enqueueing it; start here.
- `registry.py`: the tasks of one host by name.
- `job.py`: the handle of one job: status, result, cancel.
- `current.py`: `current_job()`, inside a task; `transaction.py`: its transaction.
- `items.py`: batches whose items fail apart; `notes.py`: where the words of a running job go.
- `wiring.py`: what all of these share: the store and the host's defaults.
"""
