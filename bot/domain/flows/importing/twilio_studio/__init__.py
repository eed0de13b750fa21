"""Flows of Twilio Studio read as drafts: widgets, splits, and Liquid templates.

`reading.py` is the entry point; `kinds.py` says what becomes of each kind of widget.
Repairs that any product needs belong in `drafting/`.
"""
