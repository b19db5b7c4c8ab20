-- Stands in the same transaction as the triggers that refuse all other writes from now on.
INSERT INTO jobhost_moved (only, id, from_url, to_url, frozen_at)
VALUES (1, :id, :from_url, :to_url, :now)
