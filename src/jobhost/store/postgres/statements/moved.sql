-- Whether the move of this id has arrived here.
SELECT id, from_url, to_url, frozen_at, copied_at, copied_at FROM jobhost.moved WHERE id = :id
