"""Handoffs: the rows and their events, the inbox and the board that read them, call-out candidates, and ready replies.

Every act locks the conversation first, then the handoff.
Which move is allowed is decided in `domain/handoff/states.py`.
"""
