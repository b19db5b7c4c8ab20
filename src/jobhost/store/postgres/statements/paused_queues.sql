-- Which of these queues are paused.
SELECT name, paused_at, pause_reason, capacity, when_full, wait_us, expires_us, dropped,
    objective_us
FROM jobhost.queue
WHERE name = ANY (ARRAY(SELECT json_array_elements_text(:queues))) AND paused_at IS NOT NULL
ORDER BY name
