"""Orders, each confirmed by one mail: `jobhost worker orders:host` does the work.

Orders and jobs live in one SQLite file, so that an order and its job are one commit, and so are the
end of a job and what it says of the order. A mail server is no part of that: see `confirm`.
"""

import os
import smtplib
import sqlite3
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from jobhost import Job, JobHost, Retry, current_job

shop = Path(os.environ.get("SHOP_DB", "shop.db")).resolve()
mail_server = os.environ.get("MAIL_SERVER", "localhost:25")
host = JobHost(f"sqlite:///{shop}")

TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, customer TEXT, state TEXT)"
)


class MailRefusedError(Exception):
    """The mail server will not take this mail, now or later."""


RETRY: Final = Retry(
    max_attempts=3,  # whatever else goes wrong: a bug does not mend itself
    rules={
        # No answer, or "try again later"; all errors of smtplib are such. Half a day in all.
        OSError: Retry(max_attempts=20, first_delay="30s", max_delay="1h"),
        MailRefusedError: None,  # never again: a dead letter at once, for somebody to look at
    },
)


def open_shop() -> None:
    """Make the tables, of jobs and of orders. Once, before the first order."""
    host.migrate()
    with closing(sqlite3.connect(shop, timeout=60)) as db, db:
        db.execute(TABLE)


def place_order(number: int, customer: str) -> Job[None]:
    """Called where the customer waits: order and job are stored, and the work comes later."""
    with closing(sqlite3.connect(shop, timeout=60)) as db, db:
        db.execute("INSERT INTO orders VALUES (?, ?, 'placed')", (number, customer))
        return pack.enqueue_with(db, number)


@host.task
def pack(number: int) -> None:
    """Stands for the work of an order; it ends together with the order's new state, and with the
    job of the mail."""
    with current_job().transaction() as tx:
        tx.connection.execute("UPDATE orders SET state = 'packed' WHERE number = ?", (number,))
        confirm.using(idempotency_key=f"order-{number}").enqueue_with(tx.connection, number)


@host.task(timeout="2m", retry=RETRY)
def confirm(number: int) -> None:
    """Mail the customer. A worker that dies when the server has the mail, and the store does not
    know yet, leaves a job that sends it again: under the same Message-ID, by which mailboxes know
    a mail that they have."""
    with closing(sqlite3.connect(shop, timeout=60)) as db:
        find = "SELECT customer FROM orders WHERE number = ?"
        (customer,) = db.execute(find, (number,)).fetchone()
    message = EmailMessage()
    message["From"], message["To"] = "shop@example.org", customer
    message["Subject"] = f"Your order {number}"
    message["Message-ID"] = f"<order-{number}@example.org>"
    message.set_content("It is on its way.")
    send(message)
    with current_job().transaction() as tx:
        tx.connection.execute("UPDATE orders SET state = 'confirmed' WHERE number = ?", (number,))


def send(message: EmailMessage) -> None:
    """Hand over a mail to one recipient. Raises MailRefusedError when the server says never (5xx),
    and OSError when it says not now (4xx), or nothing."""
    server, _, port = mail_server.partition(":")
    try:
        with smtplib.SMTP(server, int(port), timeout=30) as connection:
            connection.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        [(code, words)] = error.recipients.values()
        refuse_if_final(code, words, error)
        raise
    except smtplib.SMTPResponseException as error:
        refuse_if_final(error.smtp_code, error.smtp_error, error)
        raise


def refuse_if_final(code: int, words: bytes | str, error: OSError) -> None:
    """Raise MailRefusedError for the answers from 500 on."""
    if code >= 500:
        said = words.decode(errors="replace") if isinstance(words, bytes) else words
        raise MailRefusedError(f"the mail server says {code} {said}") from error
