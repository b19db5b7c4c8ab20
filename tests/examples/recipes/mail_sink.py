"""A mail server of the outside world: it takes mails, refuses them, or dies, as a test tells it."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message


class MailSink(socketserver.ThreadingTCPServer):
    """Listens on loopback.

    `answers` has what is said to a command in place of what is usual: by its first four letters,
    with "hello" for a new connection and "." for the end of a mail. `hooks` has what is done right
    before an answer. `taken` has all mails in order, `mailbox` what their reader sees: of one
    Message-ID there is one.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.answers: dict[str, str] = {}
        self.hooks: dict[str, Callable[[], object]] = {}
        self.taken: list[Message] = []

    @property
    def address(self) -> str:
        """As `host:port`."""
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def mailbox(self) -> dict[str, Message]:
        """By Message-ID."""
        return {mail["Message-ID"]: mail for mail in self.taken}

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed breaks its connection; that is no error here."""


class _Session(socketserver.StreamRequestHandler):
    server: MailSink

    def handle(self) -> None:
        self._answer("hello", "220 sink")
        while line := self.rfile.readline():
            verb = line[:4].decode("ascii").strip().upper()
            usual = {"DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 yes")
            said = self._answer(verb, usual)
            if said.startswith("354"):
                self._take()
            if verb == "QUIT":
                return

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:  # its sender died in the middle
                return
            lines.append(line)
        if "." not in self.server.answers:
            self.server.taken.append(message_from_bytes(b"".join(lines)))
        self._answer(".", "250 taken")

    def _answer(self, step: str, usual: str) -> str:
        if step in self.server.hooks:
            self.server.hooks[step]()
        said = self.server.answers.get(step, usual)
        self._say(said)
        return said

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    """One that listens for the length of the block."""
    with MailSink() as sink:
        thread = threading.Thread(target=sink.serve_forever)
        thread.start()
        try:
            yield sink
        finally:
            sink.shutdown()
            thread.join()
