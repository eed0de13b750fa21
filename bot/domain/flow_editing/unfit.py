"""What is raised where a change can't be made."""

from __future__ import annotations


class Unfit(ValueError):
    """A change that can't be made; the text is a sentence for the page, and the file is as it was."""
