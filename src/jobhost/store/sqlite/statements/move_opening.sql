-- The next window of a queue, once the last one is over. Of several who do so at the same time one
-- does it, and nobody by hours that somebody has changed meanwhile.
UPDATE jobhost_queue SET open_from = :open_from, open_until = :open_until
WHERE name = :queue AND hours = :hours AND zone = :zone AND open_until <= :now
