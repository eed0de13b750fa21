"""What is true about a help line by text: messages, flows, conversations, danger, and what a turn decides.

Everything here is pure: values in, values out; the clock and the words are handed in.
No database, no network, no framework and no import from another package of bot/ but this one may live here.
"""
