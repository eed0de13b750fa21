"""Finding people, their consents, their timeline, and everything recorded about one address.

A search starts from handoffs: a person that no one was called for cannot be found by staff.
Deleting a person's data is in `storage/erasures.py`.
"""
