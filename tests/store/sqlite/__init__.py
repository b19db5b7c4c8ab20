"""What only SQLite has: its query plans, files, locks, sockets and faults."""
