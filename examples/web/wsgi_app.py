"""A WSGI application that runs its jobs itself: POST /name sends a mail, GET /id tells of it."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import make_server

from mails import host, send_mail

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


def app(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
    """It needs no worker; whoever serves it has one run beside it."""
    name = environ["PATH_INFO"].removeprefix("/")
    if environ["REQUEST_METHOD"] == "POST":
        answer = str(send_mail.enqueue(name).id)
    else:
        answer = host.job(name).status().state
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer.encode()]


def main() -> None:
    """Serve until interrupted; the first line tells the port."""
    with (
        host.worker(concurrency=4),
        make_server("127.0.0.1", int(sys.argv[1]), app) as server,
    ):
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
