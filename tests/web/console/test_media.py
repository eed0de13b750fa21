"""Pictures on the console: shown to those who may read the conversation, as pictures and nothing more."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from bot import reception
from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.operations.settings.settings import Settings
from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.storage.tables.staff import Audit
from bot.web.demo.phones import PICTURE
from tests.support.console import make_staff, signed_in
from tests.support.demo import open_demo
from tests.support.help_line import HelpLine

JPEG = b"\xff\xd8\xff" + bytes(range(256)) * 8


def send_picture(line: HelpLine, *kinds: str, body: bytes = JPEG) -> int:
    """Ada sends pictures, and a human of the housing team is called; the row of her text."""
    kept = [(line.twilio.store.keep(body, kind), kind) for kind in kinds]
    named = {f"MediaUrl{at}": url for at, (url, _) in enumerate(kept)}
    named |= {f"MediaContentType{at}": "image/jpeg" for at, _ in enumerate(kept)}
    line.text("", NumMedia=str(len(kept)), **named)
    now = line.clock.now()
    with line.db() as db:
        conversation = db.scalars(select(Conversation.id)).one()
        db.add(
            Handoff(
                conversation_id=conversation,
                reason="asked",
                team="housing",
                urgency="now",
                dangers=[],
                reachable=True,
                state="alerted",
                opened_at=now,
                updated_at=now,
                tier=1,
            )
        )
        return db.scalars(select(Message.id).where(~Message.outbound)).one()


def worker(line: HelpLine, team: str = "housing", role: str = "social_worker") -> FlaskClient:
    return signed_in(line.app, make_staff(line.runtime, f"{team}.{role}@example.org", [role], [team]))


def acts(line: HelpLine) -> list[str]:
    with line.db() as db:
        return list(db.scalars(select(Audit.act).order_by(Audit.id)))


def test_it_shows_a_picture_to_the_team_and_audits_who_viewed_it(line: HelpLine) -> None:
    row = send_picture(line, "image/jpeg")
    answer = worker(line).get(f"/console/media/{row}/1")
    assert (answer.status_code, answer.data, answer.content_type) == (200, JPEG, "image/jpeg")
    assert acts(line) == ["read_media"]
    with line.db() as db:
        audit = db.scalars(select(Audit)).one()
        assert audit.conversation_id == db.scalars(select(Conversation.id)).one()


def test_it_sandboxes_what_a_stranger_sent(line: HelpLine) -> None:
    headers = worker(line).get(f"/console/media/{send_picture(line, 'image/jpeg')}/1").headers
    assert headers["Content-Disposition"] == "inline; filename=picture-1.jpg"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "no-store" in headers["Cache-Control"]


def test_it_shows_each_of_several_files_by_its_number(line: HelpLine) -> None:
    row, rosa = send_picture(line, "image/png", "audio/ogg; codecs=opus", "application/pdf"), worker(line)
    headers = [rosa.get(f"/console/media/{row}/{number}").headers for number in (1, 2, 3)]
    # A sound plays only with an origin; without scripts nothing could abuse it.
    assert headers[1]["Content-Security-Policy"].startswith("sandbox allow-same-origin; default-src 'none'")
    assert [each["Content-Disposition"] for each in headers] == [
        "inline; filename=picture-1.png",
        "inline; filename=voice-note-2.ogg",
        "attachment; filename=document-3.pdf",
    ]


def test_it_passes_no_other_kinds(line: HelpLine) -> None:
    kinds = ("text/html", "image/svg+xml", "application/xhtml+xml", "text/x-vcard", "", "image/jpeg\x0bx", "application/zip")
    row, rosa = send_picture(line, *kinds, body=b"<script>alert(1)</script>"), worker(line)
    answers = [rosa.get(f"/console/media/{row}/{number}") for number in range(1, len(kinds) + 1)]
    assert [answer.status_code for answer in answers] == [415] * len(kinds)
    assert not any(b"script" in answer.data for answer in answers)


def test_it_gives_out_a_part_of_a_video(line: HelpLine) -> None:
    row = send_picture(line, "video/mp4")
    answer = worker(line).get(f"/console/media/{row}/1", headers={"Range": "bytes=3-9"})
    assert (answer.status_code, answer.data) == (206, JPEG[3:10])
    assert answer.headers["Content-Range"] == f"bytes 3-9/{len(JPEG)}"


def test_it_sends_visitors_who_are_not_signed_in_to_the_sign_in(line: HelpLine) -> None:
    answer = line.app.test_client().get(f"/console/media/{send_picture(line, 'image/jpeg')}/1")
    assert answer.status_code == 303
    assert line.twilio.store.fetched == 0


@pytest.mark.parametrize(("team", "role"), [("food", "social_worker"), ("housing", "admin"), ("housing", "auditor")])
def test_it_shows_nothing_to_another_team_or_role_and_audits_that(line: HelpLine, team: str, role: str) -> None:
    answer = worker(line, team, role).get(f"/console/media/{send_picture(line, 'image/jpeg')}/1")
    assert answer.status_code == 403
    assert (line.twilio.store.fetched, acts(line)) == (0, ["refused"])


def test_it_knows_no_other_pictures(line: HelpLine) -> None:
    row, rosa = send_picture(line, "image/jpeg"), worker(line)
    paths = ("999999/1", f"{row}/0", f"{row}/2", f"{line.outgoing()[0].id}/1", f"{10**20}/1", f"{row}/x")
    assert [rosa.get(f"/console/media/{path}").status_code for path in paths] == [404] * len(paths)


def test_it_has_none_once_they_were_deleted(line: HelpLine) -> None:
    row = send_picture(line, "image/jpeg")
    with line.db() as db:
        db.get_one(Message, row).sealed_media = None
    assert worker(line).get(f"/console/media/{row}/1").status_code == 404


def test_it_says_why_a_picture_cannot_be_shown(line: HelpLine) -> None:
    row, rosa = send_picture(line, "image/jpeg", body=b"x" * (5 * 1024 * 1024 + 1)), worker(line)
    large = rosa.get(f"/console/media/{row}/1")
    line.twilio.store.forget()
    gone = rosa.get(f"/console/media/{row}/1")
    line.twilio.stop_listening()
    away = rosa.get(f"/console/media/{row}/1")
    assert [answer.status_code for answer in (large, gone, away)] == [413, 404, 502]
    assert "5 MB" in large.text and "any more" in gone.text and "again" in away.text
    assert not any("/Media/" in answer.text for answer in (large, gone, away))


def test_it_draws_the_picture_of_the_demo(settings: Settings) -> None:
    with open_demo(settings) as demo:
        sender = Address(Channel.SIMULATOR, "ada")
        now = demo.runtime.clock.now()
        reception.accept(demo.runtime, InboundMessage("SIM1", sender, "warmline", "", now, media=(PICTURE,)))
        with demo.db() as db:
            conversation = db.scalars(select(Conversation.id)).one()
            db.add(
                Handoff(
                    conversation_id=conversation,
                    reason="asked",
                    team="anyone",
                    urgency="now",
                    dangers=[],
                    reachable=True,
                    state="alerted",
                    opened_at=now,
                    updated_at=now,
                    tier=1,
                )
            )
            row = db.scalars(select(Message.id).where(~Message.outbound)).one()
        answer = signed_in(demo.app, make_staff(demo.runtime)).get(f"/console/media/{row}/1")
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert answer.headers["Content-Disposition"] == "inline; filename=picture-1.svg"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
