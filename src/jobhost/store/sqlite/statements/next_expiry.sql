-- How long until the next job expires, by the store's clock; 0 or less when it is one that runs.
SELECT min(expires_at) - :now FROM jobhost_expiry
