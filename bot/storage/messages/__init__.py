"""The outbox and the threads of messages, with the media that came with them.

Whatever leaves by a carrier is a row of the outbox first.
Staff threads are in `staff/`.
"""
