"""Flow versions and publications, drafts, trials, and live conversations that move to another version.

A version never changes once it is stored.
Whether a flow may be published is checked in `domain/flows/checks/`.
"""
