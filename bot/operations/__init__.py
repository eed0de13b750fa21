"""The processes: the supervisor, the embedded servers, settings, logs, the clock, and the queue that wakes jobs.

A wrong setting stops the start and names the variable.
Nothing here knows what the help line does; use cases and the domain never import it.
"""
