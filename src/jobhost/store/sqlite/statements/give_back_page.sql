-- Shortens the file by a free page. One at a time: a statement is stepped once, and each step does
-- as much.
PRAGMA incremental_vacuum(1)
