"""A household's case: needs, encounters, tasks, measures and consents, written and read.

Consents only grow: a change is a new entry.
Referrals and check-ins have packages of their own.
"""
