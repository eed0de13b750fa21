"""The tables, by feature, as SQLAlchemy maps them.

A change here needs a migration in `migrations/versions/`.
No query and no rule belongs here.
"""
