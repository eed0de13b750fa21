"""Read a thread as the person sees it, and what Warmline has recorded about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation.state import load
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address
from bot.storage.messages import threads
from bot.storage.messages.threads import ThreadText as ThreadText
from bot.storage.people import records
from bot.storage.sealing import Sealer

_NEVER_ARRIVED = frozenset({DeliveryState.DROPPED, DeliveryState.FAILED, DeliveryState.CANCELED, DeliveryState.UNDELIVERED})


@dataclass(frozen=True, slots=True)
class HandoffRecord:
    """A handoff. `because` is unsealed, for the social worker."""

    urgency: str
    reason: str
    team: str
    state: str
    dangers: tuple[str, ...]
    because: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class OfferedService:
    """An offered service; `service` is "" where it has left the directory."""

    service: str
    need: str
    near: str
    state: str


@dataclass(frozen=True, slots=True)
class MessageMarks:
    """Marks of one inbound text: the safety rules that fired, and why it was not answered (or "")."""

    rules: tuple[str, ...]
    silence: str


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """What is recorded about a conversation. `flow` and `step` are None outside any flow. Times are aware UTC.

    `check_ins` are (flow, when due, state); `consents` (choice, scope, method, when); `outcomes` (outcome, flow, when).
    `marks` are by message id.
    """

    language: str
    flow: str | None
    step: str | None
    holder: str
    in_danger: bool
    opted_out: bool
    unreachable: str | None
    timeout_at: datetime | None
    handoffs: tuple[HandoffRecord, ...]
    referrals: tuple[OfferedService, ...]
    check_ins: tuple[tuple[str, datetime, str], ...]
    consents: tuple[tuple[str, str, str, datetime], ...]
    outcomes: tuple[tuple[str, str, datetime], ...]
    marks: dict[int, MessageMarks]


def read_thread(db: Session, sealer: Sealer, address: Address, after: int = 0) -> list[ThreadText]:
    """The texts of this address after row `after` as the person sees them, oldest first.

    Texts that were not sent or did not arrive are left out.
    """
    lines = threads.list_texts(db, sealer, address, after)
    return [line for line in lines if not line.outbound or line.state not in _NEVER_ARRIVED]


def read_record(db: Session, sealer: Sealer, address: Address) -> ConversationRecord | None:
    """What is recorded about this address; None for one that has never written."""
    rows = records.find_by_address(db, sealer, address)
    if rows is None:
        return None
    stored = rows.conversation
    conversation = load(sealer.open(stored.sealed_state))
    frame = conversation.frame
    return ConversationRecord(
        language=conversation.language,
        flow=frame.flow if frame else None,
        step=frame.step if frame else None,
        holder=stored.holder,
        in_danger=stored.in_danger,
        opted_out=stored.opted_out,
        unreachable=stored.unreachable,
        timeout_at=stored.timeout_at,
        handoffs=_handoffs(rows, sealer),
        referrals=tuple(OfferedService(name or "", row.need, row.near or "", row.state) for row, name in rows.referrals),
        check_ins=tuple((row.flow, row.due_at or row.ended_at or stored.updated_at, row.state) for row in rows.check_ins),
        consents=tuple((row.choice, row.scope, row.method, row.at) for row in rows.consents),
        outcomes=tuple((row.outcome, row.flow, row.at) for row in rows.outcomes),
        marks={row.id: MessageMarks(tuple(row.rules or ()), row.silence or "") for row in rows.flagged},
    )


def _handoffs(rows: records.ConversationRecords, sealer: Sealer) -> tuple[HandoffRecord, ...]:
    return tuple(
        HandoffRecord(
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
