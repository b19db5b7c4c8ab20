"""What a job is: states, options, retry rules, outcomes and the codec of payloads.

Pure: nothing here does I/O, starts a thread, reads a clock or draws a random
number; what is needed of these comes in as an argument.

Start with `states.py` (the one table of legal moves), then `outcomes.py` (how an
attempt can end and what follows). `options.py` and `retries.py` hold what a user
may ask for, `payload.py` turns arguments into JSON and back (`fidelity.py` refuses what would not
come back), `records.py` is what a reader of the store gets to see, `notes.py` what a running job
says.
"""
