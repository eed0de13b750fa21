"""Doors that people and carriers open: the webhook, the chat, the simulator, health.

A door translates a request, opens the transaction, calls a use case, wakes the queue after the commit and translates back.
No rule of the help line and no SQL may live here.
"""
