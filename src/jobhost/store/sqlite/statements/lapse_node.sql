-- A node whose process is proven to be gone. Nobody can prove that in another store, where its
-- jobs are taken over because its lease has run out: so it runs out here and now.
UPDATE jobhost_node SET lease_until = min(lease_until, :now) WHERE number = :node
