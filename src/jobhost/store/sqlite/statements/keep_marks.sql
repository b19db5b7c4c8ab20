-- What is known of how long jobs of a queue wait. Of two that write it both know as much.
UPDATE jobhost_queue SET raise_marks = :marks WHERE name = :queue
