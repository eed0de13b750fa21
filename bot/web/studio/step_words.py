"""The kinds of steps in the words of the studio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """`label` names it in lists, `does` says in a sentence what it is for."""

    label: str
    does: str


KINDS: Mapping[str, Kind] = {
    "ask": Kind("Ask", "Asks a question and waits for the answer."),
    "say": Kind("Say", "Says something and goes on, or ends."),
    "decide": Kind("Decide", "Says nothing. Chooses the way by what is known."),
    "refer": Kind("Refer", "Looks up services near the person and texts them."),
    "handoff": Kind("Hand off", "Calls a social worker."),
    "check_in": Kind("Check in", "Plans to ask again, days or months later."),
    "run": Kind("Run a flow", "Runs another flow and comes back."),
    "consent": Kind("Consent", "Writes down that the person agreed, or took it back."),
    "referral": Kind("Referral news", "Writes down what became of a referral."),
    "measure": Kind("Measure", "Writes down how the household is."),
    "wait": Kind("Wait", "Pauses. A text from the person ends the pause."),
    "erase": Kind("Erase", "Deletes what is kept of this person."),
    "end": Kind("End", "Ends without a word."),
    "unknown": Kind("Not a step", "Has no key that says what it does. Mend it in the YAML."),
}
ANSWERS: Mapping[str, str] = {
    "text": "Any words", "zip": "A ZIP code", "number": "A whole number", "date": "A date, or NO", "yes_no": "Yes or no",
    "phone": "A telephone number", "name": "A name", "language": "A language",
}  # fmt: skip
URGENCIES: Mapping[str, str] = {
    "now": "Now: life may be in danger", "minutes": "Within minutes", "quarter_hour": "Within 15 minutes",
    "this_shift": "This shift", "routine": "Routine",
}  # fmt: skip
OUTCOMES: Mapping[str, str] = {
    "helped": "It helped", "not_enrolled": "Not enrolled", "waitlist": "On a waiting list",
    "could_not_help": "Could not help", "not_reached": "Could not be reached", "no_longer_needed": "No longer needed",
}  # fmt: skip
MEASURES: Mapping[str, str] = {"housed": "Housed", "bills": "Bills are paid", "safe": "Safe"}
