"""Jobs and completions inside transactions of the caller's or the task's own."""
