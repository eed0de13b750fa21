"""Staff find a person, read their page, name them, and record how they may be contacted safely.

What a member of staff may see is checked in each use case.
Handoffs are in `handoff/`, cases in `cases/`.
"""
