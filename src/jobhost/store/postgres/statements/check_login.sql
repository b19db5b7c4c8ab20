-- Who this login is, whether it could make a schema in which database, and which of the rights in :wanted, a JSON list of objects, it lacks.
SELECT
    current_user::text,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
    n.oid IS NOT NULL,
    coalesce(pg_has_role(n.nspowner, 'USAGE'), false),
    coalesce(has_schema_privilege(n.oid, 'USAGE'), false),
    coalesce(has_schema_privilege('public', n.oid, 'USAGE'), false),
    has_database_privilege(current_database(), 'CREATE'),
    current_database()::text,
    coalesce((SELECT json_agg(json_build_array(w.role, w.right, w.on, w.column)) FROM (
        SELECT w.*, c.oid, c.relkind FROM json_to_recordset(:wanted)
            AS w (role text, kind text, "on" text, "right" text, "column" text)
        LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.on
    ) w WHERE NOT coalesce(CASE
        WHEN w.kind = 'FUNCTION' THEN (
            SELECT has_function_privilege(p.oid, w.right) FROM pg_proc p
            WHERE p.pronamespace = n.oid AND p.proname = split_part(w.on, '(', 1)
        )
        WHEN w.kind = 'SEQUENCE' THEN has_sequence_privilege(w.oid, w.right)
        WHEN w.column IS NOT NULL THEN has_column_privilege(w.oid, w.column, w.right)
        ELSE has_table_privilege(w.oid, w.right)
    END, false)), '[]'::json)
FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = :schema
