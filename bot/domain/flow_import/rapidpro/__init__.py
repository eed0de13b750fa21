"""Exports of RapidPro, TextIt and Glific (spec versions 3 to 14) read as drafts of ours.

`goflow.py` and `legacy.py` read their two shapes into the one of `model.py`, and the other modules make steps of it.
Nothing here runs an expression of theirs or keeps a template of theirs alive.
"""

from bot.domain.flow_import.rapidpro.reading import read_rapidpro

__all__ = ["read_rapidpro"]
