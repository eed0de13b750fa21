"""Cases with needs, encounters, tasks and measures, and the rows that a case's page shows beside them.

Words come in and go out sealed.
Referrals and check-ins have modules of their own.
"""
