-- What the heartbeats of the living have told; a supervised worker's is in that of its node.
SELECT n.vitals FROM jobhost.node n
WHERE n.ended_at IS NULL AND n.lease_until > :now AND n.supervisor IS NULL AND n.vitals IS NOT NULL
