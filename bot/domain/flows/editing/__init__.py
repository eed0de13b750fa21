"""Edits a flow's files: steps are written, added, moved, renamed or deleted together with their translations; and describes
the difference between two states of a flow.

All of it is pure: a `FlowContent` goes in and a new one comes out, and everything outside the edit stays as it was, byte for
byte. `flow_checks.py` decides whether a flow is valid, and `bot/storage/flows/drafts.py` stores drafts.
"""
