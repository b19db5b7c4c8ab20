-- own_names
-- Whatever in the file bears a name of ours, whoever made it; the ledger of migrations with each
-- of its columns. Asked before the file is used for the first time.
SELECT s.name, c.name
FROM sqlite_schema s
LEFT JOIN pragma_table_info(s.name) c ON s.name = 'jobhost_migration' COLLATE NOCASE
WHERE s.name LIKE 'jobhost\_%' ESCAPE '\'
