"""A process that publishes two flows together while people text, as a page of the studio does.

`python -m benchmarks.publisher STAFF` reads numbers from its input, a line each. For each it changes the drafts of both
flows so that every text of theirs carries the number, publishes them together, and prints the number, what it took in
seconds, and the moment after the commit on this machine's monotonic clock.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.orm import Session

from benchmarks.instance import HERE
from bot.domain.flows.language.content import FlowContent
from bot.operations.settings.settings import Settings
from bot.runtime import Runtime
from bot.storage.flows import drafts
from bot.storage.flows.drafts import DraftAuthor
from bot.usecases.studio import edit_draft, publish_drafts
from bot.usecases.studio.check_draft import warning_key

FIRST, SECOND = "one", "two"
"""The menu, and the flow that it runs."""
_CARRIED = re.compile(r"\b(?:One|Two|Three|Four|Late) (\d+)\b")


def sets_in(text: str) -> list[int]:
    """The numbers of the sets that this answer comes from."""
    return [int(number) for number in _CARRIED.findall(text)]


def contents(number: int, silence: str = "5s") -> dict[str, FlowContent]:
    """Both flows of a set; a person who does not answer within `silence` gets another text from a worker process."""
    first = f"""flow: {FIRST}
title: One
menu: true
start: hello
steps:
  hello: {{say: One {number}., next: inner}}
  inner: {{run: {SECOND}, next: last}}
  last: {{say: Four {number}., end: finished}}
"""
    second = f"""flow: {SECOND}
title: Two
start: ask
steps:
  ask: {{ask: "Two {number}. How are you?", answer: text, save: mood, wait: {{after: {silence}, go: late}}, next: thanks}}
  thanks: {{say: Three {number}., end: answered}}
  late: {{say: Late {number}., end: quiet}}
"""
    test = f"""title: A person says how they are
language: en

person: hi
line: One {number}.
line: Two {number}. How are you?

person: fine
line: Three {number}.
line: Four {number}.
"""
    return {FIRST: FlowContent(first, {}, {"en/fine": test}), SECOND: FlowContent(second)}


def publish(runtime: Runtime, number: int, by: DraftAuthor, silence: str = "5s") -> None:
    """Change both drafts, then publish them in one transaction, with a reason for every warning."""
    now = runtime.clock.now()
    wanted = contents(number, silence)
    with runtime.database.transaction() as db:
        seen = {flow: _drafted(db, flow, content, by, runtime) for flow, content in wanted.items()}
    with runtime.database.transaction() as db:
        problems = publish_drafts.problems_of(db, runtime.context, wanted)
        reasons = {warning_key(problem): "it is measured" for problem in problems}
        publish_drafts.publish_or_request(db, runtime.context, seen, by, now, why=f"set {number}", reasons=reasons)


def _drafted(db: Session, flow: str, content: FlowContent, by: DraftAuthor, runtime: Runtime) -> int:
    """The number of the draft revision that holds this content."""
    now, draft = runtime.clock.now(), drafts.find(db, flow)
    if draft is None:
        return edit_draft.new_flow(db, flow, content, "Began", by, now).revision.number
    return edit_draft.change(db, flow, draft.revision.number, "Changed", lambda _: content, by, now).number


class Publisher:
    """The process; `process` may be killed."""

    def __init__(self, env: Mapping[str, str], staff_id: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.publisher", str(staff_id)],
            cwd=HERE.parent, env={**os.environ, **env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def begin(self, number: int) -> None:
        """Tell it to publish this set, without waiting for it."""
        assert self.process.stdin
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()

    def done(self) -> tuple[int, float, float]:
        """Wait for the set that was begun first: its number, what publishing took, and the moment after its commit."""
        assert self.process.stdout
        said = self.process.stdout.readline()
        if not said:
            raise RuntimeError("the publisher has ended")
        number, took, at = json.loads(said)
        return number, took, at


@contextmanager
def publishing(env: Mapping[str, str], staff_id: int) -> Iterator[Publisher]:
    """A publisher, until the block ends."""
    publisher = Publisher(env, staff_id)
    try:
        yield publisher
    finally:
        publisher.process.kill()
        publisher.process.communicate()


def main(staff_id: int) -> None:
    runtime = Runtime.start(Settings.from_env(os.environ))
    for row in sys.stdin:
        began = time.monotonic()
        publish(runtime, int(row), DraftAuthor("Publisher", staff_id))
        at = time.monotonic()
        print(json.dumps([int(row), at - began, at]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
