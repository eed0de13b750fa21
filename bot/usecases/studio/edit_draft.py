"""Begins, changes, undoes and discards drafts. Two admins who work at the same time lose none of their changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.script import STEP_NAME
from bot.domain.refused import Refused
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import Draft
from bot.storage.flows.drafts import DraftAuthor as DraftAuthor
from bot.storage.flows.drafts import Revision as Revision

RESERVED_NAMES = frozenset(["new", "import", "requests", "words"])
"""Names used by pages of the studio: a flow of that name could not be opened."""
_UNDO_PREFIX, _REDO_PREFIX = "Undid: ", "Did again: "
DraftEdit = Callable[[FlowContent], FlowContent]


class FlowNotFound(Exception):
    """There is no such flow, or no such revision of it."""


class DraftChangedMeanwhile(Exception):
    """Another admin changed the same thing since the page was made; nothing has changed. Carries both revisions."""

    def __init__(self, current: Revision, seen: Revision | None) -> None:
        super().__init__(f"{current.flow}: revision {current.number} is newer")
        self.current, self.seen = current, seen


def drafted_flows(db: Session) -> frozenset[str]:
    """The names of the flows that have a draft."""
    return frozenset(draft.flow for draft in drafts.list_all(db))


def open_draft(db: Session, flow: str, by: DraftAuthor, now: datetime) -> Draft:
    """The draft of a flow; begun from the published version if there is none. Raises FlowNotFound."""
    return _open_locked(db, flow, by, now)[0]


def _open_locked(db: Session, flow: str, by: DraftAuthor, now: datetime) -> tuple[Draft, bool]:
    """The locked draft, and whether this call began it: if two begin at once, the second only finds it."""
    draft = _lock_draft(db, flow)
    if draft is not None:
        return draft, False
    version = flows.current_version(db, flow)
    stored = flows.load_version(db, version) if version is not None else None
    if stored is None:
        raise FlowNotFound(flow)
    return drafts.get_or_create(db, flow, stored.content, stored.version, f"Began from version {stored.number}", by, now)


def _lock_draft(db: Session, flow: str) -> Draft | None:
    # The name comes from a URL, which may hold characters that PostgreSQL rejects.
    if not re.fullmatch(STEP_NAME, flow):
        raise FlowNotFound(flow)
    return drafts.lock(db, flow)


def new_flow(db: Session, flow: str, content: FlowContent, what: str, by: DraftAuthor, now: datetime) -> Draft:
    """Begins a flow that does not exist yet. Raises Refused if the name is taken."""
    if flow in RESERVED_NAMES:
        raise Refused(f"`{flow}` is the name of a page here. Choose another name.")
    if flows.current_version(db, flow) is not None:
        raise Refused(f"There is a flow `{flow}` already. Choose another name.")
    draft, is_new = drafts.get_or_create(db, flow, content, None, what, by, now)
    if not is_new:
        raise Refused(f"Somebody has begun a flow `{flow}` already. Choose another name.")
    return draft


def change(
    db: Session,
    flow: str,
    seen: int,
    what: str,
    edit: DraftEdit,
    by: DraftAuthor,
    now: datetime,
    *,
    touches: Callable[[FlowContent], object] | None = None,
) -> Revision:
    """Applies `edit` to the draft and stores the result as a new revision; unchanged content makes no new one.

    `seen` is the number of the revision that the page was made from; for a page made from a published version, its id
    negated, or 0 for whatever is published now. If the draft has changed since, `edit` is applied to the newest state,
    provided that what it `touches` is unchanged; else raises DraftChangedMeanwhile. Raises FlowNotFound, and whatever `edit`
    raises.
    """
    draft, is_new = _open_locked(db, flow, by, now)
    current = draft.revision
    # A page made from the published version fits a draft that began only now.
    is_current = seen == current.number or (is_new and seen in (0, -(draft.based_on or 0)))
    was_seen = current if is_current else _seen_revision(db, flow, seen)
    if was_seen is not current and not _is_untouched(was_seen, current, touches):
        raise DraftChangedMeanwhile(current, was_seen)
    content = edit(current.content)
    if content == current.content:
        return current
    return drafts.add_revision(db, flow, content, what, by, now, parent_id=current.id)


def _seen_revision(db: Session, flow: str, number: int) -> Revision | None:
    """The revision, or version, that a page was made from."""
    if number < 0:
        stored = flows.load_version(db, -number)
        if stored is None or stored.name != flow:
            return None
        what = f"Version {stored.number}"
        return Revision(0, flow, number, None, None, stored.content, what, None, "", datetime.min.replace(tzinfo=UTC))
    found = next((entry for entry in drafts.history(db, flow, 1, number + 1) if entry.number == number), None)
    return drafts.find_revision(db, found.id) if found else None


def _is_untouched(seen: Revision | None, current: Revision, touches: Callable[[FlowContent], object] | None) -> bool:
    if seen is None or touches is None:
        return False
    try:
        return touches(seen.content) == touches(current.content)
    except (ValueError, Refused):
        # One of the two can't be read, so there is no telling what has changed.
        return False


def undo(db: Session, flow: str, seen: int, by: DraftAuthor, now: datetime) -> Revision:
    """Goes back to the previous state; `redo` goes forward again. Raises FlowNotFound, DraftChangedMeanwhile, Refused."""
    current = _current_revision(db, flow, seen)
    earlier = drafts.find_revision(db, current.parent_id) if current.parent_id is not None else None
    if earlier is None:
        raise Refused("There is nothing more to undo.")
    what = f"{_UNDO_PREFIX}{_original_change(db, current)}"
    return drafts.add_revision(db, flow, earlier.content, what, by, now, parent_id=earlier.parent_id, undone_id=current.id)


def redo(db: Session, flow: str, seen: int, by: DraftAuthor, now: datetime) -> Revision:
    """Repeats what was undone last. Raises FlowNotFound, DraftChangedMeanwhile, Refused."""
    current = _current_revision(db, flow, seen)
    undone = drafts.find_revision(db, current.undone_id) if current.undone_id is not None else None
    if undone is None:
        raise Refused("There is nothing to do again.")
    what = f"{_REDO_PREFIX}{_original_change(db, undone)}"
    return drafts.add_revision(
        db, flow, undone.content, what, by, now, parent_id=undone.parent_id, undone_id=undone.undone_id
    )


def _original_change(db: Session, revision: Revision) -> str:
    """The change that made this content, looking through later undos and redos."""
    while revision.what.startswith(_UNDO_PREFIX) and revision.undone_id is not None:
        undone = drafts.find_revision(db, revision.undone_id)
        earlier = drafts.find_revision(db, undone.parent_id) if undone and undone.parent_id is not None else None
        if earlier is None:
            break
        revision = earlier
    return revision.what.removeprefix(_REDO_PREFIX)


def _current_revision(db: Session, flow: str, seen: int) -> Revision:
    draft = _lock_draft(db, flow)
    if draft is None:
        raise FlowNotFound(flow)
    if draft.revision.number != seen:
        raise DraftChangedMeanwhile(draft.revision, _seen_revision(db, flow, seen))
    return draft.revision


def discard(db: Session, flow: str, seen: int) -> None:
    """Discards the draft; its revisions stay in the history. Raises FlowNotFound, DraftChangedMeanwhile."""
    _current_revision(db, flow, seen)
    drafts.delete(db, flow)
