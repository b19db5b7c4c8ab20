"""Where jobs run: claim, execute, heartbeat, rescue, drain.

    main thread      signals, and waiting for the end                     worker.py
    store thread     the only one that claims and records; one cycle      store_loop.py
                     records a batch and claims the next; stages due
                     jobs, rescues the dead, watches time limits
    loop thread      runs `async def` tasks, each in a Task of its own    executor.py
    job threads      run plain functions, at most one a slot              threads.py
    heartbeat        renews the lease on its own connection               heartbeat.py
    stalls           watches the turns of the loop                        stalls.py
    reporter         writes what jobs say, if they do                     reporter.py

Deliveries go from the store thread to the executor; ended attempts come back through the
outbox. A job holds a slot from its claim until its attempt has ended; no more is ever
claimed than there are free slots.

The store thread's own parts: `claimer.py` (the cycle), `holdings.py` with `recorder.py` (the jobs
that this worker holds), `read_back.py` (store and worker agree about them), `drainer.py` with
`limits.py` (its end, and time limits), `upkeep.py` with `rescuer.py`, `stager.py`, `expirer.py`
and `pruner.py` (what it does for all), `membership.py` (this node and its lease), `back_off.py`
(a store that fails).
`execution.py` is one delivery in work, `completion.py` the transaction in which one completes.

What jobs say goes through `scribe.py`: `job_notes.py` are those of one job, `job_logs.py` its log,
`command_lines.py` that of a command, `child_notes.py` the words of a process on their way.

Decisions are pure and stand apart: `drain.py` (when to stop), `rotation.py` (which queue
first), `verdict.py` (what an exception means), and `jobs/outcomes.py` (what follows).

`embedded.py` is a worker inside another program, whose process is left alone. `stalls.py` with
`turns.py` names the job that holds up the event loop, `stacks.py` where a job is; `quarantine.py`
runs those that may have killed a worker, each alone.

Start with `worker.py`, then `store_loop.py` and `executor.py`.
"""
