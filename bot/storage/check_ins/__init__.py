"""Check-ins and their events, and the list of what is due for follow-up.

A check-in is a row with `due_at`; it holds no words.
Whether it is asked is decided in `domain/check_ins/decision.py`.
"""
