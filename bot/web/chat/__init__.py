"""The web chat for residents, and the words around it.

It posts texts through `bot/reception.py` like every other channel.
Nothing of staff is shown here.
"""
