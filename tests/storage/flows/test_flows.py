"""Versions of flows and the log of which one is live."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from json import dumps

from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.storage.flows import flows
from bot.storage.flows.flows import PublicationMethod
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.console import make_staff

ONE = FlowContent("flow: need\n", {"es": "x"})
TWO = FlowContent("flow: need\n# two\n", {"es": "x"}, {"en/food": "> hi"})


def test_it_keeps_the_digest_of_flows_without_transcripts() -> None:
    before = sha256(dumps([ONE.source, dict(ONE.translations)], sort_keys=True).encode()).hexdigest()
    assert flows.content_digest(ONE) == before
    assert flows.content_digest(FlowContent(ONE.source, ONE.translations, {"en/a": "> hi"})) != before


def test_it_publishes_a_version_once_and_says_which_is_live(db: Session) -> None:
    first = flows.publish(db, "need", ONE, "Ana", NOW)
    assert flows.publish(db, "need", ONE, "Ana", NOW) is None
    second = flows.publish(db, "need", TWO, "Ana", NOW)
    other = flows.publish(db, "rent", FlowContent("flow: rent\n"), "Ana", NOW)
    assert flows.current_versions(db) == {"need": second, "rent": other}
    assert flows.current_version_ids(db) == [second, other]
    assert [(number, version) for version, number, _ in flows.list_versions(db, "need")] == [(2, second), (1, first)]


def test_it_publishes_the_same_texts_again_as_the_same_version(db: Session) -> None:
    first = flows.publish(db, "need", ONE, "Ana", NOW)
    flows.publish(db, "need", TWO, "Ana", NOW)
    assert flows.publish(db, "need", ONE, "Ben", NOW, how=PublicationMethod.ROLLED_BACK, why="two was wrong") == first
    assert [(each.number, each.how, each.why) for each in flows.list_publications(db, "need")] == [
        (1, "rolled_back", "two was wrong"), (2, "files", ""), (1, "files", ""),
    ]  # fmt: skip


def test_it_gives_back_the_texts_by_id_and_by_number(db: Session) -> None:
    version = flows.publish(db, "need", TWO, "Ana", NOW)
    assert version is not None
    by_id, by_number = flows.load_version(db, version), flows.load_version_number(db, "need", 1)
    assert by_id == by_number
    assert by_id is not None and by_id.content == TWO
    assert flows.load_version_number(db, "need", 2) is None


def test_it_keeps_who_published_who_reviewed_and_why(db: Session) -> None:
    ana, ben = make_staff(db, "ana@example.org"), make_staff(db, "ben@example.org", name="Ben Ruiz")
    reasons = {"long text": "it is the law's own words"}
    flows.publish(
        db,
        "need",
        TWO,
        "Ana",
        NOW,
        how=PublicationMethod.CONSOLE,
        why="winter",
        reasons=reasons,
        staff_id=ana,
        approved_by=ben,
    )
    holds = flows.current_publication(db, "need")
    assert holds is not None
    assert (holds.why, holds.reasons, holds.staff_id, holds.approver) == ("winter", reasons, ana, "Ben Ruiz")
    assert holds.transcripts == ("en/food",)


def test_it_pages_through_the_log(db: Session) -> None:
    for number in range(4):
        flows.publish(db, "need", FlowContent(f"# {number}\n"), "Ana", NOW + timedelta(minutes=number))
    newest = flows.list_publications(db, "need", limit=3)
    older = flows.list_publications(db, "need", limit=3, before=newest[-1].id)
    assert [each.number for each in newest + older] == [4, 3, 2, 1]
