"""How SQLite carries out the statements that run all the time, or on large tables.

Filled with rows and statistics-free, as in production: a plan that depends on ANALYZE would
be a plan that changes overnight.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobhost.store.sqlite import schema
from jobhost.store.sqlite.library import statements

NODE = "SEARCH jobhost_node USING INTEGER PRIMARY KEY (rowid=?)"
LIVE_NODES = "SCAN n USING INDEX jobhost_node_live"
RUNNING_BY_JOB = "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)"
READY_BY_QUEUE = "SEARCH {} USING PRIMARY KEY (queue=?)"
READY_STRETCH = (
    "SEARCH jobhost_ready USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq>? AND seq<?)"
)
LIST = "LIST SUBQUERY"
JSON = "SCAN {} VIRTUAL TABLE INDEX 1:"
JOB_VIEW = [
    "SEARCH d USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
    "SEARCH r USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
    "SEARCH s USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
    "SEARCH b USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
    "SEARCH q USING INDEX jobhost_ready_again (job=?) LEFT-JOIN",
    "SEARCH c USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
    "SEARCH n USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
]
JOB_BY_ID = "SEARCH j USING INDEX sqlite_autoindex_jobhost_job_1 (id=?)"
