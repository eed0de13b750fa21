"""The studio's labels for the kinds of steps and their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepKind:
    """The texts for a kind of step: `label` for lists, `does` as a sentence."""

    label: str
    does: str


KINDS: Mapping[str, StepKind] = {
    "ask": StepKind("Ask", "Asks a question and waits for the answer."),
    "say": StepKind("Say", "Says something and goes on, or ends."),
    "decide": StepKind("Decide", "Says nothing. Chooses the way by what is known."),
    "refer": StepKind("Refer", "Looks up services near the person and texts them."),
    "handoff": StepKind("Hand off", "Calls a social worker."),
    "check_in": StepKind("Check in", "Plans to ask again, days or months later."),
    "run": StepKind("Run a flow", "Runs another flow and comes back."),
    "consent": StepKind("Consent", "Writes down that the person agreed, or took it back."),
    "referral": StepKind("Referral news", "Writes down what became of a referral."),
    "measure": StepKind("Measure", "Writes down how the household is."),
    "wait": StepKind("Wait", "Pauses. A text from the person ends the pause."),
    "erase": StepKind("Erase", "Deletes what is kept of this person."),
    "end": StepKind("End", "Ends without a word."),
    "unknown": StepKind("Not a step", "Has no key that says what it does. Mend it in the YAML."),
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
