"""The telephones of a demo: pretend residents and the social workers' own telephones, on one page each.

These pages exist only in a demo.
Texts go the same way as Twilio's.
"""
