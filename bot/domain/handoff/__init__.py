"""A handoff: its states, the escalation policy, what a social worker's text means, response times and ready replies.

The escalation policy gets candidates and returns a tier: whom to call next, how, and for how long.
Who is on duty is decided in `roster/`, and acts on a handoff are use cases.
"""
