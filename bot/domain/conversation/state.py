"""Where a conversation stands: who holds it, which flows it is in, at which step, and what was answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.conversation import safe_contact
from bot.domain.conversation.safe_contact import SafeContact
from bot.domain.languages import SOURCE_LANGUAGE

RECENT_WINDOW = timedelta(minutes=2)
"""Texts of this period are read together: people split one sentence over two messages."""

BUSY_WINDOW = timedelta(minutes=10)
"""Turns are counted over this period, to tell a person from an automatic replier."""


class Holder(StrEnum):
    """Who answers the person. The flow speaks only while the bot holds the conversation."""

    BOT = "bot"
    WAITING = "waiting"
    """A human was called; no social worker has claimed the conversation yet."""
    HUMAN = "human"


@dataclass(frozen=True, slots=True)
class Frame:
    """A flow that the conversation is in, pinned to the version it began with. The last frame is the innermost."""

    flow: str
    version: int
    step: str
    tries: int = 0
    visited: tuple[str, ...] = ()
    """Questions answered before this step, newest last; BACK returns to them."""


@dataclass(frozen=True, slots=True)
class RecentText:
    """A text of the last two minutes, kept so that a sentence in two messages is read as one."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Offer:
    """The ids of services that were texted for a need; MORE asks for others."""

    need: str
    near: str | None
    service_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Immutable: the engine takes one and returns another. Times are aware UTC.

    `timeout_at` is when silence counts as an answer. `turn` grows with every turn, so that a late timeout is recognised as
    stale. `asked_danger` is the danger that the safety net has asked about and still waits for an answer to.
    """

    channel: str = "sms"
    language: str = SOURCE_LANGUAGE
    language_chosen: bool = False
    """The person chose it: it is no longer guessed."""
    language_guessed: bool = False
    """It was guessed once; only a clearer text changes it again."""
    frames: tuple[Frame, ...] = ()
    answers: dict[str, Any] = field(default_factory=dict)
    holder: Holder = Holder.BOT
    asked_danger: str | None = None
    in_danger: bool = False
    """A danger was detected, and no social worker has closed it."""
    timeout_at: datetime | None = None
    turn: int = 0
    last_notice_at: datetime | None = None
    """When the person was last told that a human was called."""
    last_notice_key: str | None = None
    """The key of the last safety or waiting text, so that it is not repeated within minutes."""
    busy_since: datetime | None = None
    busy_turns: int = 0
    """Turns since `busy_since`; detects two machines that answer each other."""
    human_offered: bool = False
    """A human was offered in this conversation; that is done only once."""
    recent: tuple[RecentText, ...] = ()
    outcome: str | None = None
    ended: bool = False
    safe: SafeContact = safe_contact.DEFAULT_CONTACT
    """How the person may be reached without being exposed."""
    check_in: int | None = None
    """The id of the check-in that asked how they are and is not answered yet."""
    offer: Offer | None = None
    """What MORE continues; None where nothing was offered, or the person was told that there is no more."""

    @property
    def frame(self) -> Frame | None:
        return self.frames[-1] if self.frames else None

    def at_step(self, step: str, **changes: Any) -> Conversation:
        """A copy with its innermost frame at another step."""
        return replace(self, frames=(*self.frames[:-1], replace(self.frames[-1], step=step, **changes)))

    def at_previous_question(self) -> Conversation | None:
        """A copy at the previous question, in an outer flow where this one has none; None at the first question."""
        frames = self.frames
        while frames:
            inner = frames[-1]
            if inner.visited:
                earlier = replace(inner, step=inner.visited[-1], visited=inner.visited[:-1], tries=0)
                return replace(self, frames=(*frames[:-1], earlier), timeout_at=None)
            frames = frames[:-1]
        return None

    def record_text(self, text: str, now: datetime, *, acted_upon: bool = False) -> Conversation:
        """A copy one turn later: the text is remembered for two minutes, and the turn counted.

        `acted_upon`: recent texts are forgotten, because this one was acted upon and must not be read again with the next.
        """
        kept = (
            ()
            if acted_upon
            else (*(item for item in self.recent if now - item.at <= RECENT_WINDOW), RecentText(now, text[:1600]))
        )
        fresh = self.busy_since is None or now - self.busy_since > BUSY_WINDOW
        return replace(
            self,
            recent=kept[-5:],
            turn=self.turn + 1,
            busy_since=now if fresh else self.busy_since,
            busy_turns=1 if fresh else self.busy_turns + 1,
        )

    def recent_texts(self, now: datetime) -> list[str]:
        """The person's texts of the last two minutes, oldest first."""
        return [item.text for item in self.recent if now - item.at <= RECENT_WINDOW]

    def dump(self) -> str:
        """As JSON, which is encrypted and stored; `load` returns an equal conversation."""
        return json.dumps(
            {
                "channel": self.channel,
                "language": self.language,
                "chosen": self.language_chosen,
                "guessed": self.language_guessed,
                "frames": [[f.flow, f.version, f.step, f.tries, f.visited] for f in self.frames],
                "answers": self.answers,
                "holder": self.holder.value,
                "asked": self.asked_danger,
                "danger": self.in_danger,
                "waking": self.timeout_at and self.timeout_at.isoformat(),
                "turn": self.turn,
                "told_at": self.last_notice_at and self.last_notice_at.isoformat(),
                "told": self.last_notice_key,
                "busy_since": self.busy_since and self.busy_since.isoformat(),
                "busy": self.busy_turns,
                "offered": self.human_offered,
                "recent": [[h.at.isoformat(), h.text] for h in self.recent],
                "outcome": self.outcome,
                "ended": self.ended,
                "safe": None if self.safe == safe_contact.DEFAULT_CONTACT else safe_contact.dump(self.safe),
                "check_in": self.check_in,
                "offer": self.offer and [self.offer.need, self.offer.near, self.offer.service_ids],
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def load(text: str) -> Conversation:
    """The conversation that `dump` wrote, in this version of the code or an earlier one; missing fields get their default.

    JSON keys are never renamed: stored conversations would lose their state.
    """
    row = json.loads(text)
    return Conversation(
        channel=row.get("channel", "sms"),
        language=row.get("language", SOURCE_LANGUAGE),
        language_chosen=row.get("chosen", False),
        language_guessed=row.get("guessed", False),
        frames=tuple(Frame(name, ver, step, tries, tuple(been)) for name, ver, step, tries, been in row.get("frames", ())),
        answers=row.get("answers", {}),
        holder=Holder(row.get("holder", "bot")),
        asked_danger=row.get("asked"),
        in_danger=row.get("danger", False),
        timeout_at=_parse_time(row.get("waking")),
        turn=row.get("turn", 0),
        last_notice_at=_parse_time(row.get("told_at")),
        last_notice_key=row.get("told"),
        busy_since=_parse_time(row.get("busy_since")),
        busy_turns=row.get("busy", 0),
        human_offered=row.get("offered", False),
        recent=tuple(RecentText(datetime.fromisoformat(at), said) for at, said in row.get("recent", ())),
        outcome=row.get("outcome"),
        ended=row.get("ended", False),
        safe=safe_contact.load(row.get("safe")),
        check_in=row.get("check_in"),
        offer=_load_offer(row.get("offer")),
    )


def _load_offer(row: list[Any] | None) -> Offer | None:
    return Offer(row[0], row[1], tuple(row[2])) if row else None


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
