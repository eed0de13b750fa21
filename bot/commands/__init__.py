"""The command line's doors, one file a subject.

A command reads its arguments, opens what it needs, calls a use case and prints; it refuses in one sentence with status 1.
No rule of the help line lives here.
"""
