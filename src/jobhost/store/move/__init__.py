"""A store moves: from an SQLite file into an empty schema of PostgreSQL.

It must not change what it copies: rows keep their numbers, so counts, history and order are
the same on both sides. `tables.py` has the one list of what travels.

What makes it safe to kill at any moment:

- The *freeze* is one transaction of the source. From then on every writer of it, however old
  its connection, gets `StoreMoved`; readers go on.
- The copy is one transaction of the target, under locks that keep everyone else out. It is
  compared with the source byte by byte before its commit, which also enters the *mark*: the
  id that the freeze drew. So the target holds all or nothing, and tells which.
- The source notes two things afterwards. A run that finds the mark only makes up for them.

Files: `mover.py` is the sequence of steps, start there; `source.py` and `target.py` are the
two sides, `lines.py` is the format in between.
"""
