"""People for the tests of staff pages: the rows that a conversation would have left, without playing one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.domain.conversation.safe_contact import DEFAULT_CONTACT, SafeContact
from bot.domain.conversation.state import Conversation as State
from bot.domain.messages.message import Address, Channel
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation, Handoff, Message, Person
from tests.support.clock import MONDAY_MORNING


@dataclass(frozen=True, slots=True)
class PersonIds:
    """The ids of a person's rows; `handoff` is 0 where none was opened."""

    conversation: int
    person: int
    handoff: int


def make_person(
    db: Session,
    sealer: Sealer,
    number: str = "+13145550142",
    *,
    team: str | None = "housing",
    state: str = "waiting",
    owner: int | None = None,
    name: str = "",
    channel: Channel = Channel.SMS,
    safe: SafeContact = DEFAULT_CONTACT,
    answers: dict[str, Any] | None = None,
    at: datetime = MONDAY_MORNING,
    **fields: Any,
) -> PersonIds:
    """Add a person with a conversation, and a handoff to this team (None: no handoff)."""
    person = Person(created_at=at, sealed_name=sealer.seal(name) if name else None)
    db.add(person)
    db.flush()
    address = Address(channel, number)
    known = State(channel=channel.value, answers=answers or {}, safe=safe)
    row = Conversation(
        person_id=person.id,
        channel=channel.value,
        lookup=sealer.blind_index(address),
        sealed_address=sealer.seal_address(address),
        line="+13145550100",
        sealed_state=sealer.seal(known.dump()),
        holder="waiting",
        in_danger=False,
        created_at=at,
        updated_at=at,
        **fields,
    )
    db.add(row)
    db.flush()
    handoff = make_handoff(db, row.id, team=team, state=state, owner=owner, at=at) if team else 0
    return PersonIds(row.id, person.id, handoff)


def make_handoff(
    db: Session, conversation_id: int, *, team: str = "housing", state: str = "waiting", owner: int | None = None,
    at: datetime = MONDAY_MORNING, **fields: Any,
) -> int:  # fmt: skip
    """Add a handoff to this conversation; gives its id."""
    handoff = Handoff(
        conversation_id=conversation_id,
        owner_id=owner,
        opened_at=at,
        updated_at=at,
        **{
            "reason": "asked",
            "team": team,
            "urgency": "minutes",
            "dangers": [],
            "reachable": True,
            "state": state,
            **fields,
        },
    )
    db.add(handoff)
    db.flush()
    return handoff.id


def make_text(
    db: Session, sealer: Sealer, conversation_id: int, body: str, at: datetime, *, outbound: bool = False, **fields: Any
) -> int:
    """Add one text to the conversation; gives its id."""
    state = "delivered" if outbound else "received"
    row = Message(
        conversation_id=conversation_id,
        outbound=outbound,
        sealed_body=sealer.seal(body),
        at=at,
        **{"state": state, **fields},
    )
    db.add(row)
    db.flush()
    return row.id
