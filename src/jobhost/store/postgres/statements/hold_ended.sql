-- Whether the node's lease is live, and locks: on the node as in `hold_lease`, then on the jobs that are about to leave `running`. A cancel holds such a row while it is entered,
-- so that the cancels read next are all there are; one that comes later finds the job elsewhere.
WITH lease AS MATERIALIZED (
    SELECT FROM jobhost.node WHERE number = :node AND lease_until > :now FOR KEY SHARE
), held AS MATERIALIZED (
    SELECT r.job FROM lease CROSS JOIN LATERAL (
        SELECT job FROM jobhost.running
        WHERE job = ANY (:jobs::bigint[]) AND node = :node
        ORDER BY job
        FOR UPDATE
    ) r
)
SELECT count(held.job) FROM lease LEFT JOIN held ON true HAVING count(*) > 0
