"""`gunicorn -c gunicorn_hooks.py wsgi_app:app`: a worker of jobs in each process that serves.

A worker is started after the fork: its threads, its lease and its connections are not inherited.
"""

from contextlib import ExitStack

from mails import host

preload_app = True
_stack = ExitStack()


def post_fork(server: object, worker: object) -> None:
    """In each new process, before it serves."""
    _stack.enter_context(host.worker(concurrency=4))


def worker_exit(server: object, worker: object) -> None:
    """In each process, when it has served its last request."""
    _stack.close()
