"""What keeps workers alive: the node, a supervisor that runs no user code.

    main thread        children, signals, links and timers       node.py
    registrar thread   enters and ends workers in the store       registrar.py
    heartbeat thread   renews all leases of the node at once      worker/heartbeat.py

`crew.py` with `slots.py` decides, without clock or processes, who is started, killed or given up.
The main thread's parts: `wake.py` (signals, sleep) with `early.py` (signals before that),
`reception.py` with `greeting.py` and `patience.py` (what workers say), `rounds.py` with `watch.py`
and `standstill.py` (silence, memory, who is in everybody's way), `morgue.py` with `exits.py` (what
the dead died of, and what they left), `bulletin.py` with `poison.py` (what workers are told),
`systemd.py` (the service manager). `facts.py` has the words between it and the registrar, whose
parts are `roll.py` (the rows of the node) and `access.py` (the way to the store). What happens is
an event of `node_events.py`, and worded by `logs.py`.

Start with `node.py`, then `crew.py`.
"""
