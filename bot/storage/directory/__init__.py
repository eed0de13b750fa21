"""The service directory: imported records with staff's changes over them, and the listings that searches use.

An imported value is never overwritten by a change; both are kept.
Reading foreign formats belongs in `domain/directory/hsds/`.
"""
