"""The night of conversations that fills a demo, read from `staff/night.yaml`: who does what, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.domain.messages.segments import measure_segments
from bot.paths import ROOT

_ACT_FIELDS = (
    "says", "claims", "writes", "names", "notes", "plans", "offers_to", "hands_back", "closes", "safe", "checks_in", "keeps",
    "met",
)  # fmt: skip
_DAY_PLACEHOLDER = re.compile(r"\{today\+(\d+)\}")


class _NightModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoSafeTimes(_NightModel):
    """Another person reads the phone; texts that we start may arrive on these days between these times."""

    days: frozenset[int]
    starts: time
    ends: time
    note: str


class DemoAct(_NightModel):
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
    safe: DemoSafeTimes | None = None
    checks_in: str = ""
    keeps: str = ""
    met: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _is_one(self) -> DemoAct:
        done = [name for name in _ACT_FIELDS if getattr(self, name)]
        if len(done) != 1 or (done == ["says"]) == bool(self.by):
            raise ValueError(f"one act, and `by` for a worker's: {done or 'none'}")
        return self


class DemoStory(_NightModel):
    """What happens between one person and Warmline. `starts`: minutes before the demo's start."""

    person: str
    starts: float
    story: tuple[DemoAct, ...]

    @property
    def address(self) -> Address:
        """A telephone of the simulator that no one uses."""
        return Address(Channel.SIMULATOR, f"night-{self.person}")


@dataclass(frozen=True, slots=True)
class DemoScene:
    """One act at its moment (aware UTC), of the person with this address."""

    at: datetime
    address: Address
    act: DemoAct
    number: int

    def inbound(self, zone: ZoneInfo) -> InboundMessage:
        """What the person texts, as a carrier would deliver it."""
        body = _DAY_PLACEHOLDER.sub(lambda found: _as_date(self.at, int(found[1]), zone), self.act.says)
        sid = f"NIGHT-{self.address.value}-{self.number}"
        segments = str(measure_segments(body).segments)
        return InboundMessage(sid, self.address, "warmline", body, self.at, extra={"NumSegments": segments})

    def send_at(self, zone: ZoneInfo) -> datetime:
        """When a scheduled text leaves (aware UTC): at `clock` in the city's time, `in_days` later."""
        day = self.at.astimezone(zone).date() + timedelta(days=self.act.in_days)
        return datetime.combine(day, self.act.clock, zone).astimezone(UTC)


def read_night(root: Path = ROOT) -> tuple[DemoStory, ...]:
    """Raises pydantic's ValidationError where an act of the file cannot be read."""
    stories = yaml.safe_load((root / "staff/night.yaml").read_text("utf-8"))["stories"]
    return tuple(DemoStory.model_validate(each) for each in stories)


def order_scenes(stories: tuple[DemoStory, ...], now: datetime) -> list[DemoScene]:
    """All acts of the night in order of time, none after `now`."""
    found = []
    for story in stories:
        at = now - timedelta(minutes=story.starts)
        for number, act in enumerate(story.story):
            at += timedelta(minutes=act.after) if number else timedelta()
            found.append(DemoScene(min(at, now), story.address, act, number))
    return sorted(found, key=lambda scene: scene.at)


def _as_date(at: datetime, days: int, zone: ZoneInfo) -> str:
    day = at.astimezone(zone).date() + timedelta(days=days)
    return f"{day.month}/{day.day}"
