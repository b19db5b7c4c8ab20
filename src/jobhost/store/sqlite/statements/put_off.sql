-- A scheduled job becomes due later; it is never brought forward, of which workers would have to hear.
UPDATE jobhost_scheduled SET due_at = :due_at WHERE job = :job AND due_at < :due_at
