"""A command for a worker in a process of its own."""

from jobhost import JobHost

host = JobHost()

stubborn = host.command(
    "stubborn",
    [
        "sh",
        "-c",
        'trap "" TERM; setsid sleep 3600 & '
        'echo $$ $! > "$1/.pids" && mv "$1/.pids" "$1/pids"; while :; do sleep 0.1; done',
        "sh",
        "{folder}",
    ],
)
