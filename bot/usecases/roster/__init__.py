"""The roster is changed, imported and checked for gaps.

An import is taken whole or not at all.
Who is on duty is `domain/roster/duty.py`.
"""
