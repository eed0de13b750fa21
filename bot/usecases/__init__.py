"""What the help line does, one verb a file: load, decide, save.

A use case takes an open session and values, and returns values; the door that called it commits and wakes the queue.
No carrier, job, web framework or queue may be imported here: use cases promise, others deliver.
"""
