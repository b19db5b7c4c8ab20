-- How far these jobs have come: whether each lives, and the epoch of one that does. A fresh job in
-- `ready` has epoch 0.
SELECT e.value, j.number IS NOT NULL AND d.job IS NULL,
    coalesce(r.epoch, s.epoch, b.epoch, q.epoch, 0)
FROM json_each(:jobs) e
LEFT JOIN jobhost_job j ON j.number = e.value
LEFT JOIN jobhost_done d ON d.job = e.value
LEFT JOIN jobhost_running r ON r.job = e.value
LEFT JOIN jobhost_scheduled s ON s.job = e.value
LEFT JOIN jobhost_blocked b ON b.job = e.value
LEFT JOIN jobhost_ready q ON q.job = e.value AND q.epoch > 0
