"""Directories of services in the format of the Human Services Data Specification 3 (HSDS, Open Referral): reading, checking,
mapping and writing them.

It also contains what follows from such a record alone: whether a place is open, its hours in words, which needs it meets.
Nothing here opens a file, reads a database or a clock, or decides what a person is told.
"""
