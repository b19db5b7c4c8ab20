-- Stands in the same transaction as all rows of the move.
INSERT INTO jobhost.moved (id, from_url, to_url, frozen_at, copied_at)
VALUES (:id, :from_url, :to_url, :frozen_at, :now)
