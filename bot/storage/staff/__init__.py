"""Members of staff: their rows, roles, teams, accounts, telephones, threads, and the audit.

Telephone numbers are sealed and found by a blind index.
The roster is in `storage/rosters.py`.
"""
