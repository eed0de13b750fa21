"""Trials: what an admin plays on the studio's phone, turn by turn, before anything is published.

A trial is played from its beginning each time, deterministically and without effects; what would happen is described.
Transcripts that are kept from a trial belong to `manage_transcripts.py` in the package above.
"""
