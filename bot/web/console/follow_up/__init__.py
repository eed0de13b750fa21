"""The follow-up pages: what is due, and one person's check-ins, tasks and referrals.

`drawing.py` draws the line of time, and the list below it says the same in words.
Rules belong in `usecases/check_ins/` and `usecases/referrals/`.
"""
