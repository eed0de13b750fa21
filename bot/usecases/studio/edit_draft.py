"""Drafts begin, change, are undone and thrown away. Two who work at once lose nothing to each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from bot.domain.flow_content import FlowContent
from bot.domain.script import STEP_NAME
from bot.storage import drafts, flows
from bot.storage.drafts import Author, Draft, Revision

RESERVED = frozenset(["new", "import", "requests", "words"])
"""Names that pages of the studio have taken: a flow of that name could not be opened."""
_UNDID, _AGAIN = "Undid: ", "Did again: "
Act = Callable[[FlowContent], FlowContent]


class NotThere(Exception):
    """There is no such flow, or no such revision of it."""


class Unfit(Exception):
    """What was asked is not possible; the text is a sentence for the page, and nothing has happened."""


class ChangedMeanwhile(Exception):
    """Somebody else changed the same thing since the page was made; nothing has happened, and both are here."""

    def __init__(self, theirs: Revision, seen: Revision | None) -> None:
        super().__init__(f"{theirs.flow}: revision {theirs.number} is newer")
        self.theirs, self.seen = theirs, seen


def open_draft(db: Session, flow: str, by: Author, now: datetime) -> Draft:
    """The draft of a flow, begun from what is published where there is none. Raises NotThere."""
    return _opened(db, flow, by, now)[0]


def _opened(db: Session, flow: str, by: Author, now: datetime) -> tuple[Draft, bool]:
    """The draft, locked, and whether it was begun here and now: of two who begin at once, the second only finds it."""
    draft = _locked(db, flow)
    if draft is not None:
        return draft, False
    version = flows.published(db, flow)
    stored = flows.load(db, version) if version is not None else None
    if stored is None:
        raise NotThere(flow)
    return drafts.begin(db, flow, stored.content, stored.version, f"Began from version {stored.number}", by, now)


def _locked(db: Session, flow: str) -> Draft | None:
    # The name comes from an address, where there may be characters that PostgreSQL does not take.
    if not re.fullmatch(STEP_NAME, flow):
        raise NotThere(flow)
    return drafts.lock(db, flow)


def new_flow(db: Session, flow: str, content: FlowContent, what: str, by: Author, now: datetime) -> Draft:
    """A flow that was not there before. Raises Unfit where there is one of that name."""
    if flow in RESERVED:
        raise Unfit(f"`{flow}` is the name of a page here. Choose another name.")
    if flows.published(db, flow) is not None:
        raise Unfit(f"There is a flow `{flow}` already. Choose another name.")
    draft, is_new = drafts.begin(db, flow, content, None, what, by, now)
    if not is_new:
        raise Unfit(f"Somebody has begun a flow `{flow}` already. Choose another name.")
    return draft


def change(
    db: Session,
    flow: str,
    seen: int,
    what: str,
    act: Act,
    by: Author,
    now: datetime,
    *,
    touches: Callable[[FlowContent], object] | None = None,
) -> Revision:
    """Apply `act` to the draft and keep the outcome as a new revision; the same content makes no new one.

    `seen` is the number of the revision that the page was made from; where it was made from what is published, the id of
    the version with a minus, or 0 for whatever is published now. Where the draft has moved on since, the act is done on
    the newest state if what it `touches` is as it was; else ChangedMeanwhile. Raises NotThere, and whatever the act raises.
    """
    draft, is_new = _opened(db, flow, by, now)
    current = draft.revision
    # A page made from what is published fits a draft that began only now.
    is_current = seen == current.number or (is_new and seen in (0, -(draft.based_on or 0)))
    was_seen = current if is_current else _seen(db, flow, seen)
    if was_seen is not current and not _is_untouched(was_seen, current, touches):
        raise ChangedMeanwhile(current, was_seen)
    content = act(current.content)
    if content == current.content:
        return current
    return drafts.keep(db, flow, content, what, by, now, parent_id=current.id)


def _seen(db: Session, flow: str, number: int) -> Revision | None:
    """The state that a page was made from, also where that was a version."""
    if number < 0:
        stored = flows.load(db, -number)
        if stored is None or stored.name != flow:
            return None
        what = f"Version {stored.number}"
        return Revision(0, flow, number, None, None, stored.content, what, None, "", datetime.min.replace(tzinfo=UTC))
    found = next((entry for entry in drafts.history(db, flow, 1, number + 1) if entry.number == number), None)
    return drafts.revision(db, found.id) if found else None


def _is_untouched(seen: Revision | None, current: Revision, touches: Callable[[FlowContent], object] | None) -> bool:
    if seen is None or touches is None:
        return False
    try:
        return touches(seen.content) == touches(current.content)
    except ValueError:
        # One of the two cannot be read: nobody knows what was touched.
        return False


def undo(db: Session, flow: str, seen: int, by: Author, now: datetime) -> Revision:
    """Go back to the state before; redo leads forth again. Raises NotThere, ChangedMeanwhile, Unfit."""
    current = _current(db, flow, seen)
    earlier = drafts.revision(db, current.parent_id) if current.parent_id is not None else None
    if earlier is None:
        raise Unfit("There is nothing more to undo.")
    what = f"{_UNDID}{_deed(db, current)}"
    return drafts.keep(db, flow, earlier.content, what, by, now, parent_id=earlier.parent_id, undone_id=current.id)


def redo(db: Session, flow: str, seen: int, by: Author, now: datetime) -> Revision:
    """Do again what was undone last. Raises NotThere, ChangedMeanwhile, Unfit."""
    current = _current(db, flow, seen)
    undone = drafts.revision(db, current.undone_id) if current.undone_id is not None else None
    if undone is None:
        raise Unfit("There is nothing to do again.")
    what = f"{_AGAIN}{_deed(db, undone)}"
    return drafts.keep(db, flow, undone.content, what, by, now, parent_id=undone.parent_id, undone_id=undone.undone_id)


def _deed(db: Session, revision: Revision) -> str:
    """What made this content, also where it holds again only because something later was undone or done again."""
    while revision.what.startswith(_UNDID) and revision.undone_id is not None:
        undone = drafts.revision(db, revision.undone_id)
        earlier = drafts.revision(db, undone.parent_id) if undone and undone.parent_id is not None else None
        if earlier is None:
            break
        revision = earlier
    return revision.what.removeprefix(_AGAIN)


def restore(db: Session, flow: str, seen: int, content: FlowContent, what: str, by: Author, now: datetime) -> Revision:
    """Let an earlier state, or what is published, hold again. Raises NotThere, ChangedMeanwhile."""
    current = _current(db, flow, seen)
    if content == current.content:
        return current
    return drafts.keep(db, flow, content, what, by, now, parent_id=current.id)


def _current(db: Session, flow: str, seen: int) -> Revision:
    draft = _locked(db, flow)
    if draft is None:
        raise NotThere(flow)
    if draft.revision.number != seen:
        raise ChangedMeanwhile(draft.revision, _seen(db, flow, seen))
    return draft.revision


def discard(db: Session, flow: str, seen: int) -> None:
    """Throw the draft away; its states stay in the history. Raises NotThere, ChangedMeanwhile."""
    _current(db, flow, seen)
    drafts.drop(db, flow)
