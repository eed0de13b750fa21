from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.carriers.carrier import Carrier, OutgoingMessage
from bot.carriers.simulator import SimulatorCarrier
from bot.carriers.web_chat import WebChatCarrier
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address, Channel, OutboxLane

TEXT = OutgoingMessage(message_id=7, to=Address(Channel.SIMULATOR, "abc"), body="x" * 161, lane=OutboxLane.CRISIS)


@pytest.mark.parametrize(("carrier", "prefix", "segments"), [(SimulatorCarrier(), "SIM", 2), (WebChatCarrier(), "WEB", 0)])
def test_it_delivers_at_once_under_an_id_of_its_own(carrier: Carrier, prefix: str, segments: int) -> None:
    first, second = carrier.send(TEXT), carrier.send(TEXT)
    assert first.sid.startswith(prefix)
    assert first.sid != second.sid
    assert (first.state, first.segments) == (DeliveryState.DELIVERED, segments)
    assert carrier.find(TEXT, datetime.now(UTC)) is None


def test_it_shows_no_words_and_no_address_of_a_message() -> None:
    assert repr(TEXT) == "Outgoing(7, simulator, crisis, 161 characters)"
