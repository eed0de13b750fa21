"""Directories of services after the Human Services Data Specification 3 (Open Referral): read, checked, mapped, written.

Here too lives what follows from such a record alone: whether a place is open, how its hours are said, which need it meets.
Nothing may live here that opens a file, asks a database or a clock, or decides what a person is told.
"""
