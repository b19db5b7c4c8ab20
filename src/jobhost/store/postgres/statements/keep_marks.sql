-- What is known of how long jobs of a queue wait. Of two that write it both know as much.
UPDATE jobhost.queue SET raise_marks = :marks WHERE name = :queue
