-- Which database this connection leads to, and when its server was started: to the microsecond, so
-- that no two servers share it, not even a server and its copy. Addresses say less: one server has
-- many, through sockets, names and poolers.
SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, current_database()::text
