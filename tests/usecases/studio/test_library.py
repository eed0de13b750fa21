"""Flows that are published together are seen together by every turn."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping

from bot.domain.conversation.effects import Reply
from bot.domain.conversation.state import Conversation
from bot.domain.flows.language.content import FlowContent
from bot.storage.flows import flows
from bot.usecases.conversation.converse import begin_at_menu
from bot.usecases.flows.library import PublishedLibrary
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.demo import Demo

OUTER = """\
flow: welcome
title: Welcome
start: hello
menu: true
steps:
  hello: {{say: "outer {0}", next: inner}}
  inner: {{run: inner, next: bye}}
  bye: {{end: done}}
"""
INNER = """\
flow: inner
title: Inner
start: ask
steps:
  ask: {{ask: "inner {0}", save: said, next: bye}}
  bye: {{end: done}}
"""


def publish(demo: Demo, number: int) -> Mapping[str, int]:
    with demo.db() as db:
        flows.publish(db, "welcome", FlowContent(OUTER.format(number)), "test", NOW)
        flows.publish(db, "inner", FlowContent(INNER.format(number)), "test", NOW)
        return flows.current_versions(db)


def test_it_goes_on_with_what_the_turn_saw_first(demo: Demo) -> None:
    before = publish(demo, 1)
    with demo.db() as db:
        library = PublishedLibrary(db, demo.runtime.context.flow_cache)
        menu = library.menu()
        after = publish(demo, 2)
        assert (menu.version, library.published("inner").version) == (before["welcome"], before["inner"])
        assert PublishedLibrary(db, demo.runtime.context.flow_cache).published("inner").version == after["inner"]


def test_it_reads_what_holds_by_one_statement_a_turn(demo: Demo) -> None:
    publish(demo, 1)
    with demo.db() as db:
        library = PublishedLibrary(db, demo.runtime.context.flow_cache)
        library.menu(), library.published("inner")
        db.connection().exec_driver_sql("delete from flow_publication")
        # There is no second query: a turn takes a moment, and keeps to what it saw first.
        assert library.published("inner").name == "inner"
        db.rollback()


def test_it_never_enters_flows_of_two_publications_in_one_turn(demo: Demo) -> None:
    publish(demo, 0)
    stop, mixed, turns = threading.Event(), list[str](), list[int]()

    def text() -> None:
        context = demo.runtime.context
        while not stop.is_set():
            with demo.db() as db:
                turn = begin_at_menu(
                    PublishedLibrary(db, context.flow_cache, context.zone),
                    Conversation(),
                    "",
                    NOW,
                    context.system_texts.text,
                )
            said = " ".join(effect.text for effect in turn.effects if isinstance(effect, Reply))
            numbers = set(re.findall(r"\d+", said))
            turns.append(1)
            if len(numbers) != 1 or "outer" not in said or "inner" not in said:
                mixed.append(said)

    readers = [threading.Thread(target=text) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 40):
        publish(demo, number)
    stop.set()
    for reader in readers:
        reader.join()
    assert turns and not mixed
