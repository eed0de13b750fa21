"""A text comes in, or a time-out falls due: decide, apply the effects, save.

`answer.py` has the order of a turn in one place.
Acts of staff are in `handoff/`, and check-ins in `check_ins/`.
"""
