"""Staff and teams: added, changed, invited, deactivated; the audit; and a member's own telephone in a demo.

What a member holds is given back when they leave.
Signing in belongs in `web/sign_in/`.
"""
