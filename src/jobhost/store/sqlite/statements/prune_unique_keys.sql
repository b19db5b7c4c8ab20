-- Unique keys that nobody held a moment ago, in the same transaction.
DELETE FROM jobhost_unique_key
WHERE (task, key) IN (
    SELECT json_extract(value, '$.task'), json_extract(value, '$.key') FROM json_each(:free)
)
