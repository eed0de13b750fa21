"""Reading for the pages that show a thread: the texts, and what the line recorded beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation import load
from bot.domain.delivery import State
from bot.domain.message import Address
from bot.storage import messages, records
from bot.storage.messages import Text
from bot.storage.sealing import Sealer

_NEVER_ARRIVED = frozenset({State.DROPPED, State.FAILED, State.CANCELED, State.UNDELIVERED})


@dataclass(frozen=True, slots=True)
class Called:
    """A human was called. `because` is for the social worker, opened."""

    urgency: str
    reason: str
    team: str
    state: str
    dangers: tuple[str, ...]
    because: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Offered:
    """A service was offered; `service` is "" where it has left the directory."""

    service: str
    need: str
    near: str
    state: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands beside one inbound text: the safety rules it met, and why it was not answered (or "")."""

    rules: tuple[str, ...]
    silence: str


@dataclass(frozen=True, slots=True)
class Record:
    """What the line knows of a conversation. `flow` and `step` are None outside every flow. Times are aware UTC.

    `check_ins` are (flow, when due, state); `consents` (choice, scope, method, when); `outcomes` (outcome, flow, when).
    `marks` go by the message's row.
    """

    language: str
    flow: str | None
    step: str | None
    holder: str
    in_danger: bool
    opted_out: bool
    unreachable: str | None
    waking: datetime | None
    handoffs: tuple[Called, ...]
    referrals: tuple[Offered, ...]
    check_ins: tuple[tuple[str, datetime, str], ...]
    consents: tuple[tuple[str, str, str, datetime], ...]
    outcomes: tuple[tuple[str, str, datetime], ...]
    marks: dict[int, Marks]


def read_thread(db: Session, sealer: Sealer, address: Address, after: int = 0) -> list[Text]:
    """The texts of this address after row `after` as the person may see them, oldest first.

    A text that we decided not to send, or that did not arrive, is left out: it was never said.
    """
    lines = messages.thread(db, sealer, address, after)
    return [line for line in lines if not line.outbound or line.state not in _NEVER_ARRIVED]


def read_record(db: Session, sealer: Sealer, address: Address) -> Record | None:
    """What was recorded about this address, or None for one that has never written."""
    rows = records.of_address(db, sealer, address)
    if rows is None:
        return None
    stored = rows.conversation
    conversation = load(sealer.open(stored.sealed_state))
    frame = conversation.frame
    return Record(
        language=conversation.language,
        flow=frame.flow if frame else None,
        step=frame.step if frame else None,
        holder=stored.holder,
        in_danger=stored.in_danger,
        opted_out=stored.opted_out,
        unreachable=stored.unreachable,
        waking=stored.waking,
        handoffs=_handoffs(rows, sealer),
        referrals=tuple(Offered(name or "", row.need, row.near or "", row.state) for row, name in rows.referrals),
        check_ins=tuple((row.flow, row.due_at or row.ended_at or stored.updated_at, row.state) for row in rows.check_ins),
        consents=tuple((row.choice, row.scope, row.method, row.at) for row in rows.consents),
        outcomes=tuple((row.outcome, row.flow, row.at) for row in rows.outcomes),
        marks={row.id: Marks(tuple(row.rules or ()), row.silence or "") for row in rows.marked},
    )


def _handoffs(rows: records.Rows, sealer: Sealer) -> tuple[Called, ...]:
    return tuple(
        Called(
            urgency=row.urgency,
            reason=row.reason,
            team=row.team,
            state=row.state,
            dangers=tuple(row.dangers),
            because=sealer.open(row.sealed_because) if row.sealed_because else "",
            opened_at=row.opened_at,
        )
        for row in rows.handoffs
    )
