"""Use cases: each loads, decides and saves.

A use case takes an open session and values, and returns values. Its caller (route, job or command) commits and notifies
the job queue. Carriers, jobs, the web framework and the queue must not be imported here: use cases only write to the
outbox.
"""
