"""The command line, one module per subject.

A command reads its arguments, opens what it needs, calls a use case and prints the result; if it cannot, it prints one
sentence and exits with status 1. No business rules belong here.
"""
