"""What became of a message, and the threads that pages show.

A delivery report moves a message's state only forward.
Sending is done by jobs.
"""
