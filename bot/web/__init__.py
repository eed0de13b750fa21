"""The HTTP layer: the carrier's webhooks, the web chat, the staff console, the phone simulator and the health checks.

A view translates the request, opens the transaction, calls a use case, wakes the queue after the commit and renders the
result. No rule of the help line and no SQL belongs here.
"""
