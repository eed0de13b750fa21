"""Whether a check-in is asked, held or dropped when it falls due, and which times are allowed.

The decision takes facts and gives one reason; it has no clock.
Reading the facts and sending the text are use cases.
"""
