-- Takes SQLite's lock for writing and changes nothing: what the transaction reads from here on stays
-- true until it ends. Without it a transaction that begins with a read may find that it cannot write.
UPDATE jobhost_sequence SET value = value WHERE only = 0
