-- Bytes of one page of the file.
PRAGMA page_size
