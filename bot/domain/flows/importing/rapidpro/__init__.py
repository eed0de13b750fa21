"""Reads exports of RapidPro, TextIt and Glific (spec versions 3 to 14) as drafts.

`goflow.py` and `legacy.py` read the two formats into the model of `model.py`; the other modules make steps of it. No
expression or template of the source is ever run or carried over as such.
"""

from bot.domain.flows.importing.rapidpro.reading import read_rapidpro

__all__ = ["read_rapidpro"]
