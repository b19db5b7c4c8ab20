-- Epoch, payload and envelope of a job that waits: it is in no other table, so it is in `ready`.
SELECT coalesce(s.epoch, b.epoch, q.epoch, 0), j.payload, j.envelope
FROM jobhost_job j
LEFT JOIN jobhost_done d ON d.job = j.number
LEFT JOIN jobhost_running r ON r.job = j.number
LEFT JOIN jobhost_scheduled s ON s.job = j.number
LEFT JOIN jobhost_blocked b ON b.job = j.number
LEFT JOIN jobhost_ready q ON q.job = j.number AND q.epoch > 0
WHERE j.number = :job AND d.job IS NULL AND r.job IS NULL
