"""Changes to a flow's texts: a step written, added, moved, renamed or deleted, with its translations, and what differs
between two states of a flow, in words.

All of it is pure: a `FlowContent` goes in and a new one comes out, and what was not meant stays as it was, to the letter.
Whether a flow is sound is decided in `flow_checks.py`, and drafts are kept by `bot/storage/drafts.py`, never here.
"""
