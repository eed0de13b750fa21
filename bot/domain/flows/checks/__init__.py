"""What must be true of a flow before it is published, beyond that it can be read.

Dead ends, loops without a wait, unreachable steps, unanswered conditions, cost, reading level, and which steps
transcripts cover.
A check reports problems; it never changes a flow and never reads the database.
"""
