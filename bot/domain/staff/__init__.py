"""The people who work here: permissions, password rules, lockout, the staff form, and the names of audited acts.

`permissions.py` is the one table of who may do what.
Accounts and sessions belong in `storage/staff/` and `web/sign_in/`.
"""
