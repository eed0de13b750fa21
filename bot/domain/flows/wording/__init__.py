"""The words of a flow and their translations: what is missing or stale, and PO files changed entry by entry.

Files that translators send back are merged here.
Cost and reading level are checked in `checks/`.
"""
