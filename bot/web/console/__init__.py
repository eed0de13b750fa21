"""Here live the pages of the staff: one module and one blueprint for each page, and access.py, which says who may open it.
A page loads, calls a use case, and shows; each view is guarded by `access.needs`.
No rule of who may do what, no SQL and no decision about a handoff belongs here."""
