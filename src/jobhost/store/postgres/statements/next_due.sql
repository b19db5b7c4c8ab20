-- How long until the stager has something to do again, by the store's clock.
SELECT min(due_at) - :now FROM jobhost.scheduled
