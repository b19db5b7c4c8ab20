"""The command line: a thin shell around `JobHost` and the store's plans.

It must not decide anything about jobs: what a command does, a program can do with the library.

Invariants: an error is one sentence on stderr with the next step, and an exit code of
`exits.py`; results and listings go to stdout and nothing else does; text that came with a
job reaches a terminal only through `render.clean`; nothing reads stdin. Whatever is slow to
import is imported inside the command that needs it, so that `--help` stays fast.

- `main.py`: the commands, and the error boundary; start here.
- `exits.py`: the exit codes, and how a process leaves.
- `hosts.py`: from MODULE:HOST to the host.
- `worker.py`, `enqueue.py`, `run.py`, `jobs.py`, `jobs_logs.py`, `move.py`: the commands.
- `render.py`: what people and programs read; `waiting.py`: advice on jobs that nobody comes for;
  `logs.py`: the log.
"""
