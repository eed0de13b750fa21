"""The exceptions for what cannot be done, or cannot be stored as it was typed. Nothing has changed where one is raised."""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """The act is not possible, and nothing has changed.

    `text` is the finished sentence for the page, the telephone or the terminal; `str()` gives it too. `reason` is a fixed
    word for the audit log and for callers that tell the reasons apart, "" where no caller does.
    """

    def __init__(self, text: str, reason: str = "") -> None:
        self.text, self.reason = text, reason
        super().__init__(text)


class InvalidForm(Exception):
    """The form cannot be stored, and nothing has changed. `problems`: a sentence for each field, "" for the whole form."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        # The names of the fields only: a sentence may quote what was typed, and this text may reach a log.
        super().__init__(f"invalid: {', '.join(self.problems)}")
