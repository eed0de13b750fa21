"""The service directory: imported, exported, searched, corrected and read for the console.

A directory is imported whole or not at all, with a report of each refused row.
Referring a person to a service is in `referrals/`.
"""
