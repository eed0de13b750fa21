"""Statements of a turn, and conversations whose time-out has come.

`turns.py` is on the path of every text: load and lock, record and save.
What is sent belongs in `messages/`, and handoffs in `handoff/`.
"""
