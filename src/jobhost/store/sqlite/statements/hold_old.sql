-- Those of these jobs that are still there and old. Nobody else writes meanwhile.
SELECT d.job FROM json_each(:jobs) e
CROSS JOIN jobhost_done d ON d.job = e.value
WHERE d.state = :state AND d.ended_at <= :now - :keep_us
