"""A draft while it is built from another product's flow, and the repairs that make it a flow that reads and checks.

Every reader uses it: targets, choices and texts are made valid, and what could not be kept is listed in the report.
Nothing here knows any particular product's format.
"""
