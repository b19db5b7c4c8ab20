-- How the file keeps its log; asked, not set.
PRAGMA journal_mode
