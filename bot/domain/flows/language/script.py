"""A flow as its author writes it: the models behind `flows/*.yaml` and the published JSON Schema.

Docstrings of the models are part of that schema. A step does exactly one thing, named by its key (`ask`, `say`, ...). All
models are frozen: a script never changes once it is read. `reader.py` reads YAML into these models.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bot.domain.safety.levels import Urgency

STEP_NAME = r"^[a-z][a-z0-9_]{0,39}$"
StepName = Annotated[str, Field(pattern=STEP_NAME)]
Text = Annotated[str, Field(min_length=1, max_length=1600)]
"""A text for the person in the source language, a Jinja2 template. It is the key of its translations."""


class AnswerKind(StrEnum):
    """What an `ask` without choices reads; each has a forgiving reader in `answers.py`."""

    ZIP = "zip"
    NUMBER = "number"
    DATE = "date"
    YES_NO = "yes_no"
    TEXT = "text"
    PHONE = "phone"
    NAME = "name"
    LANGUAGE = "language"


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Branch(Model):
    """One way on: taken when `when` holds, or always where it has none. The first that holds is taken."""

    when: str | None = None
    """A Jinja2 expression over the answers, like `court_date and days_until(court_date) <= 7`."""
    go: StepName


def _expand_next(value: object) -> object:
    """`next: zip` is short for `next: [{go: zip}]`."""
    return [{"go": value}] if isinstance(value, str) else value


class Step(Model):
    """What every kind of step may carry."""

    note: str | None = None
    """For the people who edit; never sent."""
    next: tuple[Branch, ...] = ()

    _next = field_validator("next", mode="before")(_expand_next)


class Choice(Model):
    """One answer that a person may pick by its number, its label, or any of its words."""

    label: Annotated[str, Field(min_length=1, max_length=60)]
    words: tuple[str, ...] = ()
    """Other words people use for it; matched whole, without regard to case, accents or small typing mistakes."""
    go: StepName | None = None
    """Where it leads; without it the step's own `next` decides."""


class NotUnderstood(Model):
    """What happens when an answer can't be read: asked again, and after `tries` the step `go`."""

    tries: Annotated[int, Field(ge=1, le=5)] = 2
    go: StepName | None = None
    """Where it leads; without it a human is called."""
    say: Text | None = None
    """Said before the question is asked again, in place of the standing words."""


class Patience(Model):
    """How long an `ask` waits for an answer, and where silence leads."""

    after: timedelta
    go: StepName

    _after = field_validator("after", mode="before")(lambda value: read_duration(value))


class Ask(Step):
    """Asks, and waits for the answer."""

    ask: Text
    choices: dict[StepName, Choice] = Field(default_factory=dict)
    """The name of the choice is what is saved. Empty: the answer is free and `answer` reads it."""
    answer: AnswerKind = AnswerKind.TEXT
    save: StepName | None = None
    """Under which name the answer is kept; a choice is kept under the step's own name where this is absent."""
    optional: bool = False
    """Whether NO, NONE or SKIP is an answer, kept as nothing. (A date may always be NO.)"""
    private: bool = False
    """Kept out of summaries that social workers see before they open the conversation."""
    not_understood: NotUnderstood = NotUnderstood()
    wait: Patience | None = None


class Say(Step):
    """Says something and goes on, or ends."""

    say: Text
    end: str | None = None
    """Ends the flow with this outcome; a flow that another one runs goes back to it."""


class End(Step):
    """Ends the flow with this outcome, without a word."""

    end: str


class Decide(Step):
    """Says nothing; `next` decides."""

    decide: Literal[True]


class ReferTo(Model):
    need: Text
    near: Text | None = None
    limit: Annotated[int, Field(ge=1, le=5)] = 3


class Refer(Step):
    """Looks up services that meet a need, and texts them."""

    refer: ReferTo
    none: StepName
    """Where it leads when there is no service to offer."""


class CheckInPlan(Model):
    flow: StepName
    after: tuple[timedelta, ...] = Field(min_length=1, max_length=12)

    @field_validator("after", mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        return [read_duration(item) for item in value] if isinstance(value, (list, tuple)) else value


class CheckIn(Step):
    """Plans to ask again later how things are."""

    check_in: CheckInPlan


class ReferralNews(Model):
    outcome: Literal["helped", "not_enrolled", "waitlist", "could_not_help", "not_reached", "no_longer_needed"]
    """What became of it; the words of bot/domain/referrals.py."""
    which: Text | None = None
    """The number of the service in our text, like `{{ which_one }}`; without it all that were offered together are meant."""


class TellReferral(Step):
    """Writes down what became of the services that the person was referred to."""

    referral: ReferralNews


class Measurement(Model):
    name: Literal["housed", "bills", "safe"]
    """What is measured; the words of bot/domain/cases.py."""
    value: Text
    """`yes`, `no`, `unsure` or `declined`, like `{{ housed }}`; anything else is not written down."""


class Measure(Step):
    """Writes down how the household is, for its case."""

    measure: Measurement


class HandoffPlan(Model):
    team: StepName
    urgency: Urgency = Urgency.THIS_SHIFT
    because: Text | None = None
    """For the social worker, never sent to the person."""
    community: Text | None = None
    """What the person asked a worker to know well (a language, a faith, a community), in their own words."""


class Handoff(Step):
    """Calls a human. `next`, where given, goes on asking while the person waits."""

    handoff: HandoffPlan
    say: Text | None = None
    """What the person is told; without it the reviewed standing text, which promises no more than is known."""


class Run(Step):
    """Runs another flow and comes back to `next`."""

    run: StepName


class Wait(Step):
    """Pauses; a text from the person ends the pause."""

    wait: timedelta

    _wait = field_validator("wait", mode="before")(lambda value: read_duration(value))


class Consent(Step):
    """Enters into the consent ledger that the person agreed to this scope, or that they take it back."""

    consent: Annotated[str, Field(pattern=r"^[a-z][a-z_:]{0,39}$")]
    withdrawn: bool = False
    """Whether they take it back. Check-ins need the scope `followup`; without it none is sent any more."""


class Erase(Step):
    """Deletes what is kept of this person (after the flow has asked whether they mean it)."""

    erase: Literal["everything"]


AnyStep = Ask | Say | End | Decide | Refer | TellReferral | CheckIn | Measure | Handoff | Run | Wait | Consent | Erase
STEP_KINDS: dict[str, type[Step]] = {
    "ask": Ask, "handoff": Handoff, "refer": Refer, "referral": TellReferral, "check_in": CheckIn, "measure": Measure,
    "run": Run, "consent": Consent,
    "erase": Erase, "decide": Decide, "say": Say, "wait": Wait, "end": End,
}  # fmt: skip
"""Key in the file -> model. The order decides where a step has two keys: an `ask` may have `wait`, a `handoff` `say`, a
`say` `end`."""


class Script(Model):
    """One flow file."""

    flow: StepName
    title: Annotated[str, Field(min_length=1, max_length=80)]
    purpose: str = ""
    start: StepName
    menu: bool = False
    """Whether this is the flow that MENU and a new conversation start with (one of all flows)."""
    safety: bool = False
    """Whether people's safety hangs on this flow: it is published only with all texts in every language of the line."""
    segments: Annotated[int, Field(ge=1, le=10)] = 2
    """The most SMS segments that one text of this flow may take, in any language."""
    steps: dict[StepName, AnyStep] = Field(min_length=1)

    @field_validator("steps", mode="before")
    @classmethod
    def _by_key(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: _read_step(step) for name, step in value.items()}


def _read_step(step: object) -> object:
    """The step read by the model of its key, so that an error is about one kind of step and not about all of them."""
    if not isinstance(step, dict):
        return step
    kind = next((key for key in STEP_KINDS if key in step), None)
    if kind is None:
        raise ValueError(f"a step does one thing: give it one of {', '.join(STEP_KINDS)}")
    return STEP_KINDS[kind].model_validate(step)


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_duration(value: object) -> object:
    """`90s`, `30m`, `2h`, `7d`, `2w` as a timedelta; raises ValueError with the remedy."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip().lower()
    if text[:-1].isdigit() and text[-1:] in _UNITS:
        return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    raise ValueError("a length of time is a number and one of s, m, h, d, w, like 30m or 7d")
