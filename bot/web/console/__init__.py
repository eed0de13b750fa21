"""The staff console: one module and one blueprint per page, and access.py, which checks who may open it.
A view reads its request, calls a use case and renders the result; each view is guarded by a decorator of access.py.
Permission rules, SQL and decisions about handoffs do not belong here."""
