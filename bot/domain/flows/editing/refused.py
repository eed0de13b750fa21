"""The exception for edits that can't be made."""

from __future__ import annotations


class Unfit(ValueError):
    """The edit can't be made; the text is a sentence for the page, and the file is unchanged."""
