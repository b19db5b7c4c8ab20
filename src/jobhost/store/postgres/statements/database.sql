-- Which database this connection leads to: the server's own number, which no other server has, and
-- the database's. Addresses say less: one server has many, through sockets, names and poolers.
SELECT system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database())
FROM pg_control_system()
