-- Stands in the same transaction as the migration itself.
INSERT INTO jobhost.migration (number, name) VALUES (:number, :name)
