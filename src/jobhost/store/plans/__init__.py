"""The operations on the store, one module per concept, as plans without SQL or I/O.

- `enqueue.py`: a job is accepted.
- `cycle.py`: a worker records what ended and claims what comes next.
- `nodes.py`: workers register, renew their lease, are rescued and leave.
- `stage.py`: what becomes ready without a worker's doing: due jobs, parked jobs.
- `keys.py`: jobs with keys are accepted, and keys are pruned.
- `operate.py`: cancel and redrive.
- `notes.py`: what a running job says.
- `look.py`: everything that only reads.
- `checkup.py`: what is asked when somebody wonders whether all is well.
"""
