"""Referrals: made, shared with an agency by link, and closed by their outcome.

An outcome says who reported it: the person, a worker or the agency.
Finding a service is in `directory/`.
"""
