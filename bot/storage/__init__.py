"""What is remembered: PostgreSQL through SQLAlchemy, as functions that take an open session and never commit.

Words and numbers of people are sealed before they reach a row (`sealing.py`), and opened on the way out.
No rule of the help line lives here, no carrier, no queue and no web framework.
"""
