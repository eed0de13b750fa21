"""The night that a demo is filled with, from `staff/night.yaml`: who does what, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from bot.domain.message import Address, Channel, Inbound
from bot.domain.segments import measure
from bot.usecases.line import ROOT

_ACTS = (
    "says", "claims", "writes", "names", "notes", "plans", "offers_to", "hands_back", "closes", "safe", "checks_in", "keeps",
    "met",
)  # fmt: skip
_DAY = re.compile(r"\{today\+(\d+)\}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SafeTimes(_Part):
    """Somebody else reads the phone; a first text of ours may arrive on these days between these times."""

    days: frozenset[int]
    starts: time
    ends: time
    note: str


class Act(_Part):
    """One thing that the person, or (`by`, a first name) a social worker does, `after` minutes after the act before."""

    after: float = 1
    by: str = ""
    says: str = ""
    claims: bool = False
    writes: str = ""
    names: str = ""
    notes: str = ""
    plans: str = ""
    in_days: int = 0
    clock: time = time(9)
    offers_to: str = ""
    hands_back: bool = False
    closes: str = ""
    safe: SafeTimes | None = None
    checks_in: str = ""
    keeps: str = ""
    met: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _is_one(self) -> Act:
        done = [name for name in _ACTS if getattr(self, name)]
        if len(done) != 1 or (done == ["says"]) == bool(self.by):
            raise ValueError(f"one act, and `by` for a worker's: {done or 'none'}")
        return self


class Story(_Part):
    """What happens between one person and the line. `starts`: minutes before the demo's start."""

    person: str
    starts: float
    story: tuple[Act, ...]

    @property
    def address(self) -> Address:
        """A telephone of the simulator that lies on nobody's table."""
        return Address(Channel.SIMULATOR, f"night-{self.person}")


@dataclass(frozen=True, slots=True)
class Scene:
    """One act at its moment (aware UTC), of the person with this address."""

    at: datetime
    address: Address
    act: Act
    number: int

    def inbound(self, zone: ZoneInfo) -> Inbound:
        """What the person texts, as their carrier would bring it."""
        body = _DAY.sub(lambda found: _as_date(self.at, int(found[1]), zone), self.act.says)
        sid = f"NIGHT-{self.address.value}-{self.number}"
        segments = str(measure(body).segments)
        return Inbound(sid, self.address, "warmline", body, self.at, extra={"NumSegments": segments})

    def leaves_at(self, zone: ZoneInfo) -> datetime:
        """When a planned text is to leave (aware UTC): at `clock`, in the city's own time, `in_days` later."""
        day = self.at.astimezone(zone).date() + timedelta(days=self.act.in_days)
        return datetime.combine(day, self.act.clock, zone).astimezone(UTC)


def read_night(root: Path = ROOT) -> tuple[Story, ...]:
    """Raises pydantic's ValidationError where an act of the file cannot be read."""
    stories = yaml.safe_load((root / "staff/night.yaml").read_text("utf-8"))["stories"]
    return tuple(Story.model_validate(each) for each in stories)


def scenes(stories: tuple[Story, ...], now: datetime) -> list[Scene]:
    """Every act of the night in the order in which they happen, the last one just before `now`."""
    found = []
    for story in stories:
        at = now - timedelta(minutes=story.starts)
        for number, act in enumerate(story.story):
            at += timedelta(minutes=act.after) if number else timedelta()
            found.append(Scene(min(at, now), story.address, act, number))
    return sorted(found, key=lambda scene: scene.at)


def _as_date(at: datetime, days: int, zone: ZoneInfo) -> str:
    day = at.astimezone(zone).date() + timedelta(days=days)
    return f"{day.month}/{day.day}"
