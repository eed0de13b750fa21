"""Where a conversation stands: who holds it, which flows it is in, at which step, and what was answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain import safe_contact
from bot.domain.safe_contact import SafeContact

RECENT = timedelta(minutes=2)
"""How far back texts are read together: people split one sentence over two messages (domain.md, trap 12)."""


BUSY = timedelta(minutes=10)
"""Turns are counted over this time, to tell a person in a hurry from a machine."""


class Holder(StrEnum):
    """Who answers. Only while the bot holds it does the engine speak from the flow."""

    BOT = "bot"
    WAITING = "waiting"
    """A human was called and has not come yet."""
    HUMAN = "human"


@dataclass(frozen=True, slots=True)
class Frame:
    """A flow that the conversation is in, pinned to the version on which it began. The innermost frame is the last."""

    flow: str
    version: int
    step: str
    tries: int = 0
    been: tuple[str, ...] = ()
    """The asking steps behind this one, newest last, for BACK."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A recent text, kept for two minutes so that a sentence in two messages is read as one."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Services that were texted for a need, by their ids: MORE asks for others."""

    need: str
    near: str | None
    shown: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Frozen: the engine takes one and returns another. Times are aware UTC.

    `waking` is when silence counts as an answer; `turn` grows with every turn, so that a late alarm is seen to be stale.
    `asked` is the danger that the safety net has asked about and waits to hear of.
    """

    channel: str = "sms"
    language: str = "en"
    language_chosen: bool = False
    """Chosen by the person: guessing stops."""
    language_guessed: bool = False
    """Guessed with some certainty: only much clearer words change it again."""
    frames: tuple[Frame, ...] = ()
    answers: dict[str, Any] = field(default_factory=dict)
    holder: Holder = Holder.BOT
    asked: str | None = None
    in_danger: bool = False
    """A danger was heard and no human has closed it."""
    waking: datetime | None = None
    turn: int = 0
    told_at: datetime | None = None
    """When the person was last told that a human is still awaited."""
    told: str | None = None
    """The last safety text that was said: the same one twice in a breath calms nobody."""
    busy_since: datetime | None = None
    busy: int = 0
    """How many turns there were since then; two machines that answer one another are found by it."""
    offered: bool = False
    """A person was offered in this conversation; once is kind, at every text it nags."""
    recent: tuple[Heard, ...] = ()
    outcome: str | None = None
    ended: bool = False
    safe: SafeContact = safe_contact.NOTHING
    """How the person may be reached without being betrayed."""
    check_in: int | None = None
    """The check-in that has asked how they are and was not answered yet."""
    offer: Offer | None = None
    """What MORE goes on with; None where nothing was offered, or it was said that there is no more."""

    @property
    def frame(self) -> Frame | None:
        return self.frames[-1] if self.frames else None

    def at_step(self, step: str, **changes: Any) -> Conversation:
        """The same conversation with its innermost frame at another step."""
        return replace(self, frames=(*self.frames[:-1], replace(self.frames[-1], step=step, **changes)))

    def back(self) -> Conversation | None:
        """This conversation at the question before (in the flow around it where this one has none); None at the first."""
        frames = self.frames
        while frames:
            inner = frames[-1]
            if inner.been:
                earlier = replace(inner, step=inner.been[-1], been=inner.been[:-1], tries=0)
                return replace(self, frames=(*frames[:-1], earlier), waking=None)
            frames = frames[:-1]
        return None

    def hear(self, text: str, now: datetime, *, alone: bool = False) -> Conversation:
        """This conversation a turn later: the text is remembered for two minutes, and the turns of a busy time counted.

        `alone`: nothing is remembered, because the text was acted upon and must not be read a second time with the next.
        """
        kept = () if alone else (*(item for item in self.recent if now - item.at <= RECENT), Heard(now, text[:1600]))
        fresh = self.busy_since is None or now - self.busy_since > BUSY
        return replace(
            self,
            recent=kept[-5:],
            turn=self.turn + 1,
            busy_since=now if fresh else self.busy_since,
            busy=1 if fresh else self.busy + 1,
        )

    def earlier(self, now: datetime) -> list[str]:
        """The person's other texts of the last two minutes, oldest first."""
        return [item.text for item in self.recent if now - item.at <= RECENT]

    def dump(self) -> str:
        """As JSON, to be sealed and stored; `load` gives an equal conversation back."""
        return json.dumps(
            {
                "channel": self.channel,
                "language": self.language,
                "chosen": self.language_chosen,
                "guessed": self.language_guessed,
                "frames": [[f.flow, f.version, f.step, f.tries, f.been] for f in self.frames],
                "answers": self.answers,
                "holder": self.holder.value,
                "asked": self.asked,
                "danger": self.in_danger,
                "waking": self.waking and self.waking.isoformat(),
                "turn": self.turn,
                "told_at": self.told_at and self.told_at.isoformat(),
                "told": self.told,
                "busy_since": self.busy_since and self.busy_since.isoformat(),
                "busy": self.busy,
                "offered": self.offered,
                "recent": [[h.at.isoformat(), h.text] for h in self.recent],
                "outcome": self.outcome,
                "ended": self.ended,
                "safe": None if self.safe == safe_contact.NOTHING else safe_contact.dump(self.safe),
                "check_in": self.check_in,
                "offer": self.offer and [self.offer.need, self.offer.near, self.offer.shown],
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def load(text: str) -> Conversation:
    """The conversation that `dump` wrote, in this version of the code or an earlier one: what it did not know yet has its
    first value. A field is never renamed, or everybody who was known would be a stranger."""
    row = json.loads(text)
    return Conversation(
        channel=row.get("channel", "sms"),
        language=row.get("language", "en"),
        language_chosen=row.get("chosen", False),
        language_guessed=row.get("guessed", False),
        frames=tuple(Frame(name, ver, step, tries, tuple(been)) for name, ver, step, tries, been in row.get("frames", ())),
        answers=row.get("answers", {}),
        holder=Holder(row.get("holder", "bot")),
        asked=row.get("asked"),
        in_danger=row.get("danger", False),
        waking=_moment(row.get("waking")),
        turn=row.get("turn", 0),
        told_at=_moment(row.get("told_at")),
        told=row.get("told"),
        busy_since=_moment(row.get("busy_since")),
        busy=row.get("busy", 0),
        offered=row.get("offered", False),
        recent=tuple(Heard(datetime.fromisoformat(at), said) for at, said in row.get("recent", ())),
        outcome=row.get("outcome"),
        ended=row.get("ended", False),
        safe=safe_contact.load(row.get("safe")),
        check_in=row.get("check_in"),
        offer=_offer(row.get("offer")),
    )


def _offer(row: list[Any] | None) -> Offer | None:
    return Offer(row[0], row[1], tuple(row[2])) if row else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
