"""The search index: one SQLite file that any number of worker processes write at once.

Beside the pages it keeps a ledger of what really ran: one row when a task starts, one when
its page is in. The second is written in the page's own transaction, so the two cannot differ.
A job may be delivered twice, as when a worker dies after the page and before the store heard
of it. `put` looks into the ledger first: the second delivery changes nothing.
"""

import re
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

BUSY_SECONDS: Final = 30.0
"""Longest wait for other writers; each of them takes some milliseconds."""

LINE_CHARS_MAX: Final = 200
"""More of a matching line tells nothing and fills the screen."""

_TABLES: Final = """
    CREATE TABLE files (
        id INTEGER PRIMARY KEY,
        path TEXT NOT NULL UNIQUE,
        text TEXT NOT NULL
    );
    CREATE TABLE ledger (
        event TEXT NOT NULL CHECK (event IN ('started', 'finished')),
        path TEXT NOT NULL,
        job TEXT NOT NULL,
        delivery INTEGER NOT NULL,
        pid INTEGER NOT NULL,
        at REAL NOT NULL
    );
    CREATE INDEX ledger_by_event ON ledger (event, job);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of the task: which job, delivered for the how manieth time, and where."""

    path: str
    job: str
    delivery: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the ledger; `event` is started or finished, `at` in seconds since 1970."""

    event: str
    run: Run
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A file that a search found, with its first matching line (counted from 1)."""

    path: str
    line: int
    text: str


class Words(Protocol):
    """How words are found; runs inside the caller's transaction."""

    tables: str

    def add(self, db: sqlite3.Connection, file: int, text: str) -> None:
        """Enter a file that is not in it."""
        ...

    def remove(self, db: sqlite3.Connection, file: int, text: str) -> None:
        """Take out a file that was entered with this text."""
        ...

    def find(self, db: sqlite3.Connection, query: str, limit: int) -> list[tuple[str, str]]:
        """Path and text of the files that have the query, best first."""
        ...


class FullText:
    """SQLite's own full-text index, FTS5; the query is a phrase."""

    tables = "CREATE VIRTUAL TABLE words USING fts5(text, content='files', content_rowid='id');"

    def add(self, db: sqlite3.Connection, file: int, text: str) -> None:
        db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (file, text))

    def remove(self, db: sqlite3.Connection, file: int, text: str) -> None:
        db.execute("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", (file, text))

    def find(self, db: sqlite3.Connection, query: str, limit: int) -> list[tuple[str, str]]:
        return db.execute(
            "SELECT f.path, f.text FROM words JOIN files f ON f.id = words.rowid"
            " WHERE words MATCH ? ORDER BY words.rank, f.path LIMIT ?",
            ('"' + query.replace('"', '""') + '"', limit),
        ).fetchall()


class WordCounts:
    """For a SQLite that was built without FTS5: counts words; files must have all of them."""

    tables = """
        CREATE TABLE words (word TEXT, file INTEGER, count INTEGER, PRIMARY KEY (word, file));
        CREATE INDEX words_by_file ON words (file);
    """

    def add(self, db: sqlite3.Connection, file: int, text: str) -> None:
        counts: dict[str, int] = {}
        for word in _words(text):
            counts[word] = counts.get(word, 0) + 1
        rows = [(word, file, count) for word, count in counts.items()]
        db.executemany("INSERT INTO words VALUES (?, ?, ?)", rows)

    def remove(self, db: sqlite3.Connection, file: int, text: str) -> None:
        db.execute("DELETE FROM words WHERE file = ?", (file,))

    def find(self, db: sqlite3.Connection, query: str, limit: int) -> list[tuple[str, str]]:
        wanted = sorted(set(_words(query)))
        found: dict[int, list[int]] = {}
        for word in wanted:
            for file, count in db.execute("SELECT file, count FROM words WHERE word = ?", (word,)):
                found.setdefault(file, []).append(count)
        whole = [
            (sum(counts), file) for file, counts in found.items() if len(counts) == len(wanted)
        ]
        best = [file for _, file in sorted(whole, reverse=True)[:limit]]
        get = "SELECT path, text FROM files WHERE id = ?"
        return [db.execute(get, (file,)).fetchone() for file in best]


class Index:
    """The index in this file, which is made by its first use. Safe from any thread.

    Args:
        path: The file.
        words: How words are found; all users of one file must agree. Default: FTS5 if this
            Python's SQLite has it.
    """

    def __init__(self, path: Path, words: Words | None = None) -> None:
        self._path = path
        self._words = words or (FullText() if _has_fts5() else WordCounts())
        self._turn = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def start(self, run: Run) -> None:
        """Note that a task has started."""
        with self._writing() as db:
            _note(db, "started", run)

    def put(self, run: Run, text: str) -> bool:
        """Enter a file, or replace it. False: an earlier delivery of this job has done it."""
        with self._writing() as db:
            done = "SELECT 1 FROM ledger WHERE event = 'finished' AND job = ?"
            if db.execute(done, (run.job,)).fetchone():
                return False
            old = db.execute("SELECT id, text FROM files WHERE path = ?", (run.path,)).fetchone()
            if old:
                self._words.remove(db, *old)
                db.execute("DELETE FROM files WHERE id = ?", (old[0],))
            row = (run.path, text)
            file = db.execute("INSERT INTO files (path, text) VALUES (?, ?)", row).lastrowid
            self._words.add(db, file or 0, text)
            _note(db, "finished", run)
        return True

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """Files that have the query, best first. Raises ValueError for one without words."""
        if not (words := _words(query)):
            raise ValueError(f"a search needs at least one word; got {query!r}")
        with self._turn:
            found = self._words.find(self._connection(), " ".join(words), limit)
        return [_hit(path, text, words) for path, text in found]

    def paths(self) -> set[str]:
        """The files that are in it."""
        with self._turn:
            return {path for (path,) in self._connection().execute("SELECT path FROM files")}

    def finished_count(self) -> int:
        """How many jobs the ledger says are done."""
        count = "SELECT count(DISTINCT job) FROM ledger WHERE event = 'finished'"
        with self._turn:
            (finished,) = self._connection().execute(count).fetchone()
        return int(finished)

    def ledger(self) -> list[Entry]:
        """All that ran, in order."""
        rows = "SELECT event, path, job, delivery, pid, at FROM ledger ORDER BY rowid"
        with self._turn:
            return [
                Entry(event=event, run=Run(path=path, job=job, delivery=delivery, pid=pid), at=at)
                for event, path, job, delivery, pid, at in self._connection().execute(rows)
            ]

    def open_runs(self) -> list[Run]:
        """What has started and not finished, by the ledger."""
        runs = """
            SELECT path, job, delivery, pid FROM ledger s WHERE event = 'started' AND NOT EXISTS (
                SELECT 1 FROM ledger f
                WHERE f.event = 'finished' AND f.job = s.job AND f.delivery = s.delivery)
        """
        with self._turn:
            return [
                Run(path=path, job=job, delivery=delivery, pid=pid)
                for path, job, delivery, pid in self._connection().execute(runs)
            ]

    def close(self) -> None:
        """Close the file. Idempotent; the next use opens it again."""
        with self._turn:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction. IMMEDIATE waits for its turn at the start; one that reads first and
        then wants to write may be refused at once."""
        with self._turn:
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            _create(self._path, self._words)
            self._opened = _connect(self._path)
        return self._opened


def _create(path: Path, words: Words) -> None:
    """Make the file elsewhere and link it into place: nobody ever sees half of its tables, and of
    several processes that start together one is first."""
    if path.exists():
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder, "new.db")
        with closing(_connect(new)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_TABLES + words.tables)
        with suppress(FileExistsError):
            path.hardlink_to(new)


def _connect(path: Path) -> sqlite3.Connection:
    """Nobody waits for the disk here: after a power cut the index is made anew."""
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def _note(db: sqlite3.Connection, event: str, run: Run) -> None:
    row = (event, run.path, run.job, run.delivery, run.pid, time.time())
    db.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", row)


def _has_fts5() -> bool:
    with closing(sqlite3.connect(":memory:")) as db:
        options = {option for (option,) in db.execute("PRAGMA compile_options")}
    return "ENABLE_FTS5" in options


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _hit(path: str, text: str, words: list[str]) -> Hit:
    """The first line with the words in a row, else the first with one of them."""
    lines = text.splitlines()
    for pattern in (r"[\W_]+".join(words), "|".join(words)):
        wanted = re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", re.IGNORECASE)
        for number, line in enumerate(lines, start=1):
            if wanted.search(line):
                return Hit(path=path, line=number, text=line.strip()[:LINE_CHARS_MAX])
    return Hit(path=path, line=1, text="")
