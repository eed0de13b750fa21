"""PostgreSQL is away: every text is kept on disk and answered, and processed in order once it is back."""

from __future__ import annotations

import os
import resource
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.storage.sealing import Sealer
from bot.storage.spool import Spool
from bot.storage.tables.residents import Alert, Message
from tests.faults.conftest import FrailLine, wait_for_database
from tests.faults.running_system import KEY, SECRET
from tests.support.clock import MONDAY_MORNING
from tests.support.help_line import ADA, MARCUS, PUBLIC_URL

pytestmark = pytest.mark.faults

TWILIO_WAITS = 15.0


def heard(line: FrailLine, sender: str = ADA) -> list[str]:
    """The flow's texts to a person, in the order in which Twilio took them."""
    return [body for body in line.twilio.texts_to(sender) if body.startswith("Heard")]


def recorded(line: FrailLine) -> list[str]:
    """The words of all texts that came in, in the order in which they were recorded."""
    with line.db() as db:
        rows = db.scalars(select(Message).where(~Message.outbound).order_by(Message.id)).all()
    return [line.runtime.context.sealer.open(row.sealed_body or "") for row in rows]


def again(line: FrailLine, body: str, sid: str) -> list[str]:
    """Twilio sends a message once more because no answer came."""
    return line.say(body, MessageSid=sid)


def test_it_answers_with_where_help_is_and_keeps_the_text(frail: FrailLine) -> None:
    frail.say("hello")
    frail.postgres.cut()
    said = frail.say("story one")
    assert "911" in said[0] and "988" in said[0]
    assert len(frail.spool()) == 1
    assert frail.twilio.messages[-1].status_callback == ""


def test_it_answers_danger_with_the_text_for_danger(frail: FrailLine) -> None:
    frail.postgres.cut()
    texts = frail.runtime.context.system_texts
    assert frail.say("i want to kill myself") == [texts.text("outage_crisis", "en")]
    assert frail.say("me quiero matar", MARCUS) == [texts.text("outage_crisis", "es")]


def test_it_answers_spanish_in_spanish(frail: FrailLine) -> None:
    frail.postgres.cut()
    assert frail.say("me van a desalojar de mi casa") == [frail.runtime.context.system_texts.text("outage", "es")]


def test_it_keeps_texts_sealed_and_for_its_own_account_alone(frail: FrailLine) -> None:
    frail.postgres.cut()
    frail.say("my secret words")
    folder = frail.runtime.settings.spool_dir
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in frail.spool()} == {0o600}
    on_disk = "".join(path.name + path.read_text() for path in frail.spool())
    assert "secret" not in on_disk and ADA.removeprefix("+1") not in on_disk


def test_it_keeps_the_same_message_once(frail: FrailLine) -> None:
    frail.postgres.cut()
    assert again(frail, "story one", "SM1") == again(frail, "story one", "SM1")
    assert len(frail.spool()) == 1


def test_it_takes_what_it_kept_in_order_and_answers_once(frail: FrailLine) -> None:
    for sender in (ADA, MARCUS):
        frail.say("hello", sender)
    frail.postgres.cut()
    for number in range(4):
        frail.say(f"story {number}", ADA)
        frail.say(f"tale {number}", MARCUS)
    frail.heal()
    assert recorded(frail)[2:] == [f"{word} {number}" for number in range(4) for word in ("story", "tale")]
    assert heard(frail) == [f"Heard story {number}." for number in range(4)]
    assert heard(frail, MARCUS) == [f"Heard tale {number}." for number in range(4)]
    assert frail.spool() == []


def test_it_takes_what_it_kept_before_the_next_text_and_answers_both_in_order(frail: FrailLine) -> None:
    frail.say("hello")
    frail.postgres.cut()
    frail.say("story one")
    frail.postgres.mend()
    wait_for_database(frail)
    assert frail.say("story two") == ["Heard story one.", "Heard story two."]
    frail.heal()
    assert heard(frail) == ["Heard story one.", "Heard story two."]


def test_it_answers_once_a_message_that_was_kept_and_comes_again(frail: FrailLine) -> None:
    """A crash between storing and answering: Twilio sends the message again, and PostgreSQL is back."""
    frail.say("hello")
    frail.postgres.cut()
    again(frail, "story one", "SM1")
    frail.postgres.mend()
    wait_for_database(frail)
    assert again(frail, "story one", "SM1") == ["Heard story one."]
    frail.heal()
    assert heard(frail) == ["Heard story one."]


def test_it_answers_once_a_message_that_was_taken_up_and_then_comes_again(frail: FrailLine) -> None:
    frail.say("hello")
    frail.postgres.cut()
    again(frail, "story one", "SM1")
    frail.heal(rounds=1)
    assert again(frail, "story one", "SM1") == []
    frail.heal()
    assert heard(frail) == ["Heard story one."]


def test_it_hides_from_people_that_postgresql_was_restarted(frail: FrailLine) -> None:
    frail.say("hello")
    frail.postgres.drop()
    assert frail.say("story one") == ["Heard story one."]


@pytest.mark.parametrize("passed_on", [True, False])
def test_it_takes_one_turn_when_the_connection_breaks_at_the_commit(frail: FrailLine, passed_on: bool) -> None:
    frail.say("hello")
    frail.postgres.cut_at(b"COMMIT", passed_on=passed_on)
    assert frail.say("story one") == ["Heard story one."]
    frail.heal()
    assert recorded(frail) == ["hello", "story one"]
    assert heard(frail) == ["Heard story one."]


@pytest.mark.parametrize("passed_on", [True, False])
def test_it_takes_one_turn_when_postgresql_dies_at_the_commit(frail: FrailLine, passed_on: bool) -> None:
    """Whether it was committed cannot be known: the text is kept, and its answer comes later, once."""
    frail.say("hello")
    frail.postgres.cut_at(b"COMMIT", passed_on=passed_on, for_good=True)
    assert "988" in frail.say("story one")[0]
    frail.heal()
    assert recorded(frail) == ["hello", "story one"]
    assert heard(frail) == ["Heard story one."]
    assert frail.spool() == []


def test_it_says_to_twilio_that_it_could_not_keep_a_text(frail: FrailLine) -> None:
    """With 5xx Twilio goes to the fallback address, which is on other machines."""
    frail.postgres.cut()
    folder = frail.runtime.settings.spool_dir
    folder.rename(folder.with_name("gone"))
    form = {"From": ADA, "To": "+13145550100", "Body": "story one", "MessageSid": "SM1"}
    assert frail.twilio.post_signed(f"{PUBLIC_URL}/twilio/sms", form)[0] == 500
    folder.with_name("gone").rename(folder)
    assert "988" in again(frail, "story one", "SM1")[0]


def test_it_leaves_no_half_a_file_on_a_full_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Sealer((KEY,), SECRET))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            spool.put(inbound("story one"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["failed"]


def test_it_sets_aside_what_cannot_be_processed_and_delays_no_other_person(frail: FrailLine) -> None:
    frail.say("hello")
    # Sealed with a key that no longer exists.
    folder = frail.runtime.settings.spool_dir
    Spool(folder, Sealer(("A" * 43 + "=",), SECRET)).put(inbound("lost key"))
    frail.postgres.cut()
    frail.say("story one")
    frail.heal(rounds=1)
    assert heard(frail) == ["Heard story one."]
    for _ in range(5):
        for path in frail.spool():
            os.utime(path, (0, 0))
        frail.work()
    assert frail.spool() == [] and frail.runtime.spool.count_failed() == 1
    assert frail.count(Alert, Alert.kind == "text_laid_aside") == 1


def test_it_delivers_though_the_spool_cannot_be_read(frail: FrailLine) -> None:
    frail.say("hello")
    frail.promise("A text for later")
    folder = frail.runtime.settings.spool_dir
    folder.rename(folder.with_name("gone"))
    frail.work()
    folder.with_name("gone").rename(folder)
    assert frail.twilio.texts_to(ADA).count("A text for later") == 1


def twenty(line: FrailLine) -> list[float]:
    """The seconds that twenty texts at the same moment wait for their answers, shortest first."""

    def one(number: int) -> float:
        began = time.monotonic()
        assert "988" in line.text(f"story {number}", f"+1314555{number:04d}")[0]
        return time.monotonic() - began

    with ThreadPoolExecutor(20) as pool:
        return sorted(pool.map(one, range(20)))


def warm(line: FrailLine) -> None:
    """Open as many connections as twenty texts need."""
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: line.text("hello", f"+1314555{number:04d}"), range(20)))


def test_it_answers_twenty_at_once_when_postgresql_is_gone(frail: FrailLine) -> None:
    warm(frail)
    frail.postgres.cut()
    assert twenty(frail)[18] < 3
    assert twenty(frail)[18] < 3
    assert len(frail.spool()) == 40


@pytest.mark.slow
def test_it_answers_twenty_at_once_when_postgresql_hangs(frail: FrailLine) -> None:
    """Requests already under way are answered before Twilio gives up; all later ones at once."""
    warm(frail)
    frail.postgres.block()
    assert twenty(frail)[19] < TWILIO_WAITS
    assert twenty(frail)[18] < 3
    frail.heal()
    assert len(recorded(frail)) == 60 and frail.spool() == []


def inbound(body: str) -> InboundMessage:
    return InboundMessage("SM9", Address(Channel.SMS, MARCUS), "+13145550100", body, MONDAY_MORNING)
