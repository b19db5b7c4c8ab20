-- One job by its id, with how far it has come.
SELECT v.*, p.epoch, p.done, p.total, p.message, p.items, p.told_at
FROM jobhost_jobs v
LEFT JOIN jobhost_progress p ON p.job = v.number
WHERE v.id = :id
