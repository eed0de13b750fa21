"""Check-ins: planned and changed by staff, sent when due, and the follow-up pages.

What is sent is decided when it would leave, from facts read at that moment.
The decision itself is `domain/check_ins/decision.py`.
"""
