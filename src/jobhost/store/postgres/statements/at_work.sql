-- Running jobs that have told how far they are, the longest running first, for people. Walks what
-- runs, which slots bound, and looks the rest up by its keys.
SELECT uuid_send(j.id), r.task, r.claimed_at, p.epoch, p.done, p.total, p.message, NULL::text,
    p.told_at
FROM jobhost.running r
CROSS JOIN LATERAL (SELECT * FROM jobhost.progress WHERE job = r.job LIMIT 1) p
CROSS JOIN LATERAL (SELECT id FROM jobhost.job WHERE number = r.job LIMIT 1) j
ORDER BY r.claimed_at, r.job
LIMIT :limit
